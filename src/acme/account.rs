//! Accounts: one per directory, made when it is first needed, with its key
//! sealed in the store. It must not know what is ordered with it.

use std::collections::HashMap;

use instant_acme::{Account, AccountBuilder, AccountCredentials, ExternalAccountKey, NewAccount};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use super::client::{AcmeHttp, classify, insist};
use super::error::AcmeError;
use super::settings::Settings;
use crate::store::sealed::MasterKey;
use crate::store::{Kind, Store, Stored};

/// The accounts of all directories.
pub struct Accounts {
    store: Store,
    master: MasterKey,
    http: AcmeHttp,
    /// Held while one is opened, so that none is made twice.
    open: Mutex<HashMap<String, Account>>,
}

#[derive(Serialize, Deserialize)]
struct AccountRecord {
    directory: String,
    /// The library's credentials, key included.
    sealed: String,
}

impl Stored for AccountRecord {
    const KIND: Kind = Kind {
        number: 72,
        version: 1,
    };
}

impl Accounts {
    pub fn new(store: Store, master: MasterKey, http: AcmeHttp) -> Self {
        Self {
            store,
            master,
            http,
            open: Mutex::default(),
        }
    }

    /// The account of a directory, known or new.
    pub async fn open(&self, directory: &str, settings: &Settings) -> Result<Account, AcmeError> {
        let mut open = self.open.lock().await;
        if let Some(account) = open.get(directory) {
            return Ok(account.clone());
        }
        let key = store_key(directory);
        let account = match self.store.get_json::<AccountRecord>(&key)? {
            Some(record) => self.restore(&key, &record).await?,
            None => self.create(&key, directory, settings).await?,
        };
        open.insert(directory.to_owned(), account.clone());
        Ok(account)
    }

    /// Forgets what is in memory, so that the directory is read again.
    pub async fn close(&self, directory: &str) {
        self.open.lock().await.remove(directory);
    }

    /// Forgets it for good: the next who opens it gets a new one.
    pub async fn forget(&self, directory: &str) -> Result<(), AcmeError> {
        let mut open = self.open.lock().await;
        self.store.delete(&store_key(directory)).await?;
        open.remove(directory);
        tracing::warn!(directory, "the ACME account is forgotten");
        Ok(())
    }

    async fn restore(&self, key: &str, record: &AccountRecord) -> Result<Account, AcmeError> {
        let secret = self.master.unseal(key, &record.sealed)?;
        let credentials: AccountCredentials =
            serde_json::from_slice(&secret).map_err(|error| AcmeError::Connection {
                reason: format!("the stored account cannot be read: {error}"),
            })?;
        self.builder()
            .from_credentials(credentials)
            .await
            .map_err(classify)
    }

    async fn create(
        &self,
        key: &str,
        directory: &str,
        settings: &Settings,
    ) -> Result<Account, AcmeError> {
        let contact: Vec<&str> = settings.contact.as_deref().into_iter().collect();
        let new = NewAccount {
            contact: &contact,
            terms_of_service_agreed: true,
            only_return_existing: false,
        };
        let binding = settings
            .external_account
            .as_ref()
            .map(|account| ExternalAccountKey::new(account.key_id.clone(), &account.mac_key));
        let made = insist!(
            self.builder()
                .create(&new, directory.to_owned(), binding.as_ref())
        );
        let (account, credentials) = made.map_err(classify)?;
        // Credentials are plain data and always have a JSON form.
        let secret = serde_json::to_vec(&credentials).unwrap_or_default();
        let record = AccountRecord {
            directory: directory.to_owned(),
            sealed: self.master.seal(key, &secret)?,
        };
        self.store.put_json(key, &record).await?;
        tracing::info!(
            directory,
            account = account.id(),
            "an ACME account was made"
        );
        Ok(account)
    }

    fn builder(&self) -> AccountBuilder {
        Account::builder_with_http(Box::new(self.http.clone()))
    }
}

fn store_key(directory: &str) -> String {
    let digest = Sha256::digest(directory);
    let short: String = digest
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("acme/account/{short}")
}
