//! An authority that is neither ours nor Pebble: acme2certifier, which knows renewal
//! information (RFC 9773) and profiles. It takes every proof, so it needs no ports.

use std::process::{Child, Command, Stdio};

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, KeyUsagePurpose};
use tempfile::TempDir;

use super::authority::{free_ports, wait_for};
use crate::harness::peer_python;

const PROGRAM: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/all/certificates/suggesting.py"
);

/// A running one. Dropping it ends the process.
pub struct Suggesting {
    home: TempDir,
    child: Child,
    pub port: u16,
}

impl Suggesting {
    /// With these lines in its section `Renewalinfo`; none where it is not installed.
    pub fn start(renewal_info: &str) -> Option<Self> {
        let python = peer_python("acme2certifier")?;
        let home = TempDir::new().expect("a temporary folder");
        let [port] = free_ports();
        let mut parameters = CertificateParams::new(Vec::new()).expect("no names");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        let root = parameters.self_signed(&key).expect("a root");
        let path = |name: &str| home.path().join(name).display().to_string();
        let write = |name: &str, text: String| {
            std::fs::write(path(name), text).expect("the temporary folder takes files");
        };
        write("ca.pem", root.pem());
        write("ca.key", key.serialize_pem());
        std::fs::create_dir(path("certs")).expect("a folder");
        write(
            "acme_srv.cfg",
            format!(
                "[DEFAULT]\ndebug: False\n\
                 [CAhandler]\nhandler_module: acme2certifier.cahandlers.openssl_ca_handler\n\
                 issuing_ca_key: {}\nissuing_ca_cert: {}\nissuing_ca_crl: {}\ncert_save_path: {}\ncert_validity_days: 2\n\
                 [DBhandler]\nhandler: wsgi\ndbfile: {}\n\
                 [Challenge]\nchallenge_validation_disable: True\n\
                 [Order]\nprofiles: {{\"short\": \"http://127.0.0.1/short\", \"long\": \"http://127.0.0.1/long\"}}\n\
                 [Renewalinfo]\n{renewal_info}\n",
                path("ca.key"),
                path("ca.pem"),
                path("ca.crl"),
                path("certs"),
                path("acme.db"),
            ),
        );
        let log = std::fs::File::create(path("log")).expect("a log");
        let child = Command::new(python)
            .args([PROGRAM, &port.to_string()])
            .env("ACME_SRV_CONFIGFILE", path("acme_srv.cfg"))
            // Proofs are not looked at.
            .env("ACME2CERTIFIER_I_KNOW_THE_RISK", "1")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("python can be run");
        let running = Self { home, child, port };
        wait_for(port);
        Some(running)
    }
}

impl Drop for Suggesting {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.home.path().join("log"));
            eprintln!("--- acme2certifier ---\n{}---", log.unwrap_or_default());
        }
    }
}
