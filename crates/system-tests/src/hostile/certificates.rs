//! An authority that the crawl trusts, and what it would rather not have signed.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use ream_test_servers::{Result, cannot};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::Arc;

/// What is wrong with a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing.
    Good,
    /// It is signed by itself.
    SelfSigned,
    /// It ended long ago.
    Expired,
    /// It begins long after today.
    NotYet,
    /// It is another host's.
    WrongName,
}

/// The authority.
pub(super) struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(super) fn new() -> Result<Self> {
        let mut params =
            CertificateParams::new(Vec::<String>::new()).map_err(cannot("describe an authority"))?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "authority of a hostile site");
        let key = KeyPair::generate().map_err(cannot("make an authority's key"))?;
        let certificate = params.self_signed(&key).map_err(cannot("make an authority"))?;
        Ok(Self { pem: certificate.pem(), issuer: Issuer::new(params, key) })
    }

    /// Its certificate, for who is to trust it.
    pub(super) fn pem(&self) -> &str {
        &self.pem
    }

    /// A server's settings for a host.
    pub(super) fn config(&self, host: &str, kind: Kind) -> Result<Arc<ServerConfig>> {
        let name = if kind == Kind::WrongName { "somebody-else.example" } else { host };
        let mut params = CertificateParams::new(vec![name.to_owned()]).map_err(cannot("describe a host"))?;
        match kind {
            Kind::Expired => {
                params.not_before = date_time_ymd(2001, 1, 1);
                params.not_after = date_time_ymd(2002, 1, 1);
            }
            Kind::NotYet => params.not_before = date_time_ymd(4000, 1, 1),
            _ => {}
        }
        let key = KeyPair::generate().map_err(cannot("make a host's key"))?;
        let signed = match kind {
            Kind::SelfSigned => params.self_signed(&key),
            _ => params.signed_by(&key, &self.issuer),
        };
        let certificate = CertificateDer::from(signed.map_err(cannot("sign a certificate"))?);
        let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(cannot("read a host's key"))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(cannot("choose TLS versions"))?
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .map_err(cannot("use a certificate"))?;
        Ok(Arc::new(config))
    }
}
