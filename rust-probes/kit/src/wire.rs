//! The envelope of the contract: who a probe is, and what it answers when an operation did not succeed.

use std::fmt::Display;

use serde::Serialize;

/// The version of the contract that the kit speaks.
pub const VERSION: u32 = 1;

/// What a probe says about itself in `hello`.
pub struct Info {
    /// The package name of the crate under test.
    pub krate: &'static str,
    /// The probe's lock file, as `include_str!("../Cargo.lock")`.
    pub lock: &'static str,
    /// The dialects that it speaks, for example `mqtt-3.1.1`.
    pub dialects: &'static [&'static str],
    /// Every operation that it has, beside `hello`.
    pub ops: &'static [&'static str],
    /// Every option that it sets to something else than the crate's default.
    pub settings: Vec<Setting>,
    /// Operations that need more than one call of the crate.
    pub assembled: &'static [&'static str],
}

/// An option that the probe sets to something else than the crate's default.
#[derive(Clone, Debug, Serialize)]
pub struct Setting {
    /// The option, as the crate names it.
    pub name: &'static str,
    /// What the probe sets.
    pub value: &'static str,
    /// What the crate has.
    pub default: &'static str,
    /// The crate's documentation of the option.
    pub source: &'static str,
    /// The dialects that it is set in; empty for all that the probe speaks.
    pub dialects: &'static [&'static str],
}

/// What went wrong; `WIRE.md` says what each code means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    Unknown,
    BadValue,
    NotWritten,
    Unsupported,
    State,
    Refused,
    Io,
    Timeout,
    Protocol,
    Crate,
}

/// Why an operation did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// Which kind of error it is.
    pub code: Code,
    /// The crate's own words, unabridged.
    pub text: String,
    /// False: the operation may have happened nevertheless.
    pub definite: bool,
    /// With [`Code::Unsupported`]: the feature, as crates.toml names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feature: Option<&'static str>,
}

impl Failure {
    /// An error of `code` in the words of `text`; the constructors below say it shorter.
    pub fn new(code: Code, text: impl Display) -> Self {
        Self {
            code,
            text: text.to_string(),
            definite: true,
            feature: None,
        }
    }

    /// The command or one of its fields is not part of the contract.
    pub fn unknown(text: impl Display) -> Self {
        Self::new(Code::Unknown, text)
    }

    /// A field has a value that the contract does not allow.
    pub fn bad_value(text: impl Display) -> Self {
        Self::new(Code::BadValue, text)
    }

    /// The probe does not have this part of the contract yet.
    pub fn not_written(text: impl Display) -> Self {
        Self::new(Code::NotWritten, text)
    }

    /// The crate lacks `feature`.
    pub fn unsupported(feature: &'static str, text: impl Display) -> Self {
        Self {
            feature: Some(feature),
            ..Self::new(Code::Unsupported, text)
        }
    }

    /// The operation makes no sense now.
    pub fn state(text: impl Display) -> Self {
        Self::new(Code::State, text)
    }

    /// There is no connection that the operation could use.
    pub fn not_connected() -> Self {
        Self::state("not connected: `connect` comes first")
    }

    /// The peer said no.
    pub fn refused(text: impl Display) -> Self {
        Self::new(Code::Refused, text)
    }

    /// The connection could not be made, or broke.
    pub fn io(text: impl Display) -> Self {
        Self::new(Code::Io, text)
    }

    /// The crate itself gave up waiting.
    pub fn timeout(text: impl Display) -> Self {
        Self::new(Code::Timeout, text)
    }

    /// The crate says that the peer broke the protocol.
    pub fn protocol(text: impl Display) -> Self {
        Self::new(Code::Protocol, text)
    }

    /// Any other error of the crate.
    pub fn krate(text: impl Display) -> Self {
        Self::new(Code::Crate, text)
    }

    /// The same, of an operation that may have happened nevertheless.
    #[must_use]
    pub fn indefinite(self) -> Self {
        Self {
            definite: false,
            ..self
        }
    }
}
