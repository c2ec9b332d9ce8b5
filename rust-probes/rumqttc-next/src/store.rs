//! Where a session is kept between two clients of one process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use rumqttc::{PersistedSession, SessionStore, SessionStoreError, SessionStoreKey};

type Later<'a, T> =
    std::pin::Pin<Box<dyn std::future::Future<Output = Result<T, SessionStoreError>> + Send + 'a>>;

/// Sessions in memory.
#[derive(Clone, Debug, Default)]
pub struct Memory(Arc<Mutex<HashMap<SessionStoreKey, PersistedSession>>>);

impl Memory {
    fn with<T>(
        &self,
        work: impl FnOnce(&mut HashMap<SessionStoreKey, PersistedSession>) -> T,
    ) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl SessionStore for Memory {
    fn load<'a>(&'a self, key: &'a SessionStoreKey) -> Later<'a, Option<PersistedSession>> {
        Box::pin(async move { Ok(self.with(|kept| kept.get(key).cloned())) })
    }

    fn save<'a>(
        &'a self,
        key: &'a SessionStoreKey,
        session: &'a PersistedSession,
    ) -> Later<'a, ()> {
        Box::pin(async move {
            self.with(|kept| kept.insert(key.clone(), session.clone()));
            Ok(())
        })
    }

    fn clear<'a>(&'a self, key: &'a SessionStoreKey) -> Later<'a, ()> {
        Box::pin(async move {
            self.with(|kept| kept.remove(key));
            Ok(())
        })
    }
}
