//! One attempt to get a certificate: which directory is asked, in what order, with
//! which account. It must not decide whether to try, nor keep what it gets.

use super::Acme;
use super::error::AcmeError;
use super::issue::{Issued, Wanted, issue};
use super::order::Request;
use super::settings::KeyType;

/// Why nothing was issued, and whether the authority counts it.
pub struct Failed {
    pub error: AcmeError,
    pub counts: bool,
}

impl From<AcmeError> for Failed {
    fn from(error: AcmeError) -> Self {
        Self {
            error,
            counts: true,
        }
    }
}

impl Acme {
    /// After a failure the staging directory is asked first: what fails there does
    /// not count. When it only says something about itself, the order goes on.
    pub(super) async fn ask_authority(
        &self,
        names: &[String],
        request: &Request,
        key_type: KeyType,
        replaces: Option<&str>,
        after_failure: bool,
    ) -> Result<Issued, Failed> {
        let settings = self.settings()?;
        let wanted = Wanted {
            names,
            key_type,
            profile: request.profile.as_deref().or(settings.profile.as_deref()),
            replaces,
        };
        if let Some(staging) = settings.staging.as_deref().filter(|_| after_failure) {
            let rehearsal = Wanted {
                replaces: None,
                ..wanted
            };
            match self.issue_at(staging, &rehearsal).await {
                Ok(_) => {}
                Err(error) if error.is_about_names() => {
                    return Err(Failed {
                        error,
                        counts: false,
                    });
                }
                Err(error) => {
                    tracing::warn!(domain = names[0], staging, %error, "the rehearsal says nothing");
                }
            }
        }
        let issued = self.issue_at(&settings.directory, &wanted).await;
        issued.map_err(Failed::from)
    }

    async fn issue_at(&self, directory: &str, wanted: &Wanted<'_>) -> Result<Issued, AcmeError> {
        let settings = self.settings()?;
        let accounts = &self.0.accounts;
        let account = accounts.open(directory, settings).await?;
        let issued = match issue(&account, &self.0.solver, wanted).await {
            Err(AcmeError::NoAccount) => {
                // Somebody there has lost or closed it; a new one is made, once.
                accounts.forget(directory).await?;
                let account = accounts.open(directory, settings).await?;
                issue(&account, &self.0.solver, wanted).await
            }
            issued => issued,
        };
        if issued.is_err() {
            // The directory may have moved.
            accounts.close(directory).await;
        }
        issued
    }
}
