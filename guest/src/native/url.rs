//! `native.Url`: a parsed URL (URL Standard) over the `url` crate, whose `quirks`
//! are the getters and setters of the standard's URL class. Also the
//! `application/x-www-form-urlencoded` format.

use super::text::{Text, flat};
use rquickjs::{
    Array, Class, Ctx, Exception, JsLifetime, Object, Result,
    class::{Trace, Tracer},
    prelude::{Func, Opt},
};
use url::{Url, form_urlencoded, quirks};

pub fn add(native: &Object<'_>) -> Result<()> {
    native.set("parseUrl", Func::from(parse))?;
    native.set("canParseUrl", Func::from(can_parse))?;
    native.set("formParse", Func::from(form_parse))?;
    native.set("formSerialise", Func::from(form_serialise))
}

#[rquickjs::class]
pub struct NativeUrl {
    url: Url,
}

// SAFETY: no field refers to a JavaScript value.
unsafe impl<'js> JsLifetime<'js> for NativeUrl {
    type Changed<'to> = NativeUrl;
}
impl<'js> Trace<'js> for NativeUrl {
    fn trace<'a>(&self, _: Tracer<'a, 'js>) {}
}

fn parse_text(text: &str, base: Option<&str>) -> std::result::Result<Url, url::ParseError> {
    match base {
        Some(base) => Url::parse(base)?.join(text),
        None => Url::parse(text),
    }
}

fn parse<'js>(ctx: Ctx<'js>, text: Text, base: Opt<Option<Text>>) -> Result<Class<'js, NativeUrl>> {
    let base = base.0.flatten().map(|base| base.0);
    match parse_text(&text.0, base.as_deref()) {
        Ok(url) => Class::instance(ctx, NativeUrl { url }),
        Err(error) => {
            let shown: String = text.0.chars().take(200).collect();
            let message = match base {
                Some(base) => format!("Invalid URL {shown:?} with base {base:?}: {error}"),
                None => format!("Invalid URL {shown:?}: {error}"),
            };
            Err(Exception::throw_type(&ctx, &message))
        }
    }
}

fn can_parse(text: Text, base: Opt<Option<Text>>) -> bool {
    parse_text(&text.0, base.0.flatten().map(|base| base.0).as_deref()).is_ok()
}

#[rquickjs::methods]
impl NativeUrl {
    /// A part by the name of the URL class's attribute.
    pub fn get(&self, part: String) -> String {
        let url = &self.url;
        match part.as_str() {
            "href" => quirks::href(url).to_owned(),
            "origin" => origin(url),
            "protocol" => quirks::protocol(url).to_owned(),
            "username" => quirks::username(url).to_owned(),
            "password" => quirks::password(url).to_owned(),
            "host" => quirks::host(url).to_owned(),
            "hostname" => quirks::hostname(url).to_owned(),
            "port" => quirks::port(url).to_owned(),
            "pathname" => quirks::pathname(url).to_owned(),
            "search" => quirks::search(url).to_owned(),
            "query" => url.query().unwrap_or_default().to_owned(),
            _ => quirks::hash(url).to_owned(),
        }
    }

    /// Sets a part. False when the standard ignores the value; for `href` it is a
    /// TypeError.
    pub fn set(&mut self, part: String, value: Text) -> bool {
        let (url, value) = (&mut self.url, value.0.as_str());
        match part.as_str() {
            "href" => return quirks::set_href(url, value).is_ok(),
            "protocol" => return quirks::set_protocol(url, value).is_ok(),
            "username" => return quirks::set_username(url, value).is_ok(),
            "password" => return quirks::set_password(url, value).is_ok(),
            "host" => return quirks::set_host(url, value).is_ok(),
            "hostname" => return quirks::set_hostname(url, value).is_ok(),
            "port" => return quirks::set_port(url, value).is_ok(),
            "pathname" => quirks::set_pathname(url, value),
            "search" => quirks::set_search(url, value),
            "query" => url.set_query((!value.is_empty()).then_some(value)),
            _ => quirks::set_hash(url, value),
        }
        true
    }

    /// What an HTTP request needs, at once: scheme, authority, path with query.
    pub fn target(&self) -> Vec<String> {
        let url = &self.url;
        let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
        vec![url.scheme().to_owned(), quirks::host(url).to_owned(), path.to_owned()]
    }
}

/// The origin of a blob URL is that of the URL in it, but only over HTTP.
fn origin(url: &Url) -> String {
    if url.scheme() == "blob" && !matches!(Url::parse(url.path()), Ok(inner) if inner.scheme().starts_with("http")) {
        return "null".to_owned();
    }
    quirks::origin(url)
}

fn form_parse<'js>(ctx: Ctx<'js>, text: Text) -> Result<Array<'js>> {
    let pairs = form_urlencoded::parse(text.0.as_bytes());
    flat(&ctx, pairs.map(|(name, value)| (name.into_owned(), value.into_owned())))
}

fn form_serialise(flat: Vec<Text>) -> String {
    let pairs = flat.chunks_exact(2).map(|pair| (&pair[0].0, &pair[1].0));
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}
