//! Threads of a probe.

use std::process;
use std::thread;

/// Runs `body` on a thread of its own. A panic there ends the process, as one on the main thread does: a probe that lives
/// on without the thread that drives its crate would show the crash as silence.
pub fn spawn(body: impl FnOnce() + Send + 'static) {
    struct EndOnPanic;

    impl Drop for EndOnPanic {
        fn drop(&mut self) {
            if thread::panicking() {
                process::exit(101); // as a panic on the main thread exits
            }
        }
    }

    thread::spawn(move || {
        let _guard = EndOnPanic;
        body();
    });
}
