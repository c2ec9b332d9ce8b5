//! Field tables and basic properties between the contract's form and the crate's.

use amqprs::{BasicProperties, DecimalValue, FieldArray, FieldTable, FieldValue};
use kit::amqp::{Field, Properties};
use kit::Failure;

/// A table as the crate takes it.
pub fn table(fields: kit::amqp::Table) -> Result<FieldTable, Failure> {
    let mut table = FieldTable::new();
    for (name, field) in fields {
        let name = name.try_into().map_err(Failure::bad_value)?;
        table.insert(name, value(field)?);
    }
    Ok(table)
}

fn value(field: Field) -> Result<FieldValue, Failure> {
    Ok(match field {
        Field::Bool(value) => FieldValue::t(value),
        Field::I8(value) => FieldValue::b(value),
        Field::U8(value) => FieldValue::B(value),
        Field::I16(value) => FieldValue::s(value),
        Field::U16(value) => FieldValue::u(value),
        Field::I32(value) => FieldValue::I(value),
        Field::U32(value) => FieldValue::i(value),
        Field::I64(value) => FieldValue::l(value),
        Field::U64(_) => {
            let reason = "FieldValue has no unsigned integer of 64 bits";
            return Err(Failure::unsupported("table-type-L", reason));
        }
        Field::F32(value) => FieldValue::f(value),
        Field::F64(value) => FieldValue::d(value),
        Field::Decimal(text) => decimal(&text)?,
        Field::Text(value) => FieldValue::S(value.try_into().map_err(Failure::bad_value)?),
        Field::Bytes(value) => FieldValue::x(value.try_into().map_err(Failure::bad_value)?),
        Field::List(items) => {
            let items: Vec<FieldValue> = items.into_iter().map(value).collect::<Result<_, _>>()?;
            FieldValue::A(FieldArray::try_from(items).map_err(Failure::bad_value)?)
        }
        Field::Timestamp(value) => FieldValue::T(value),
        Field::Table(fields) => FieldValue::F(table(fields)?),
        Field::Void => FieldValue::V,
    })
}

fn decimal(text: &str) -> Result<FieldValue, Failure> {
    let scale = text.split_once('.').map_or(0, |(_, digits)| digits.len());
    let digits = text.replace('.', "");
    match (u8::try_from(scale), digits.parse()) {
        (Ok(scale), Ok(value)) => Ok(FieldValue::D(DecimalValue::new(scale, value))),
        _ => Err(Failure::bad_value(format!("`{text}` is no decimal"))),
    }
}

fn fields(table: &FieldTable) -> kit::amqp::Table {
    let entries = table.as_ref().iter();
    entries
        .map(|(name, value)| (name.to_string(), field(value)))
        .collect()
}

fn field(value: &FieldValue) -> Field {
    match value {
        FieldValue::t(value) => Field::Bool(*value),
        FieldValue::b(value) => Field::I8(*value),
        FieldValue::B(value) => Field::U8(*value),
        FieldValue::s(value) => Field::I16(*value),
        FieldValue::u(value) => Field::U16(*value),
        FieldValue::I(value) => Field::I32(*value),
        FieldValue::i(value) => Field::U32(*value),
        FieldValue::l(value) => Field::I64(*value),
        FieldValue::f(value) => Field::F32(*value),
        FieldValue::d(value) => Field::F64(*value),
        FieldValue::D(value) => Field::Decimal(digits(value)),
        FieldValue::S(value) => Field::Text(value.to_string()),
        FieldValue::A(items) => {
            let items: Vec<FieldValue> = items.clone().into();
            Field::List(items.iter().map(field).collect())
        }
        FieldValue::T(value) => Field::Timestamp(*value),
        FieldValue::F(table) => Field::Table(fields(table)),
        FieldValue::V => Field::Void,
        FieldValue::x(value) => Field::Bytes(value.clone().into()),
    }
}

/// A decimal as text. `DecimalValue` has no getters, and gives its scale and its digits to serde alone.
fn digits(decimal: &DecimalValue) -> String {
    let pair = serde_json::to_value(decimal).and_then(serde_json::from_value);
    let (scale, value): (usize, i32) = pair.expect("a scale and a number");
    let sign = if value < 0 { "-" } else { "" };
    let digits = format!("{:0width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, part) = digits.split_at(digits.len() - scale);
    if part.is_empty() {
        format!("{sign}{whole}")
    } else {
        format!("{sign}{whole}.{part}")
    }
}

/// Properties as the crate takes them.
pub fn properties(wanted: Properties) -> Result<BasicProperties, Failure> {
    Ok(BasicProperties::new(
        wanted.content_type,
        wanted.content_encoding,
        wanted.headers.map(table).transpose()?,
        wanted.delivery_mode,
        wanted.priority,
        wanted.correlation_id,
        wanted.reply_to,
        wanted.expiration,
        wanted.message_id,
        wanted.timestamp,
        wanted.r#type,
        wanted.user_id,
        wanted.app_id,
        None,
    ))
}

/// Properties as the crate delivered them.
pub fn told(got: &BasicProperties) -> Properties {
    Properties {
        content_type: got.content_type().cloned(),
        content_encoding: got.content_encoding().cloned(),
        headers: got.headers().map(fields),
        delivery_mode: got.delivery_mode(),
        priority: got.priority(),
        correlation_id: got.correlation_id().cloned(),
        reply_to: got.reply_to().cloned(),
        expiration: got.expiration().cloned(),
        message_id: got.message_id().cloned(),
        timestamp: got.timestamp(),
        r#type: got.message_type().cloned(),
        user_id: got.user_id().cloned(),
        app_id: got.app_id().cloned(),
    }
}
