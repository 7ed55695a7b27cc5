//! Every setting: its type, its default, and what it means, said once.
//!
//! From one declaration come the struct that the program reads, the list of
//! known keys, and the commented document that `footpath check --print` shows.

mod decoys;

use std::{net::SocketAddr, path::PathBuf};

use super::setting::{Secret, Setting};

/// A text for a setting, with where it came from decided by the caller.
pub(super) enum Input<'a> {
    Text(&'a str),
    Toml(&'a toml::Value),
}

/// One key of a part, for listings.
pub(super) struct Key {
    pub field: &'static str,
    /// One line of explanation each.
    pub about: &'static [&'static str],
    /// As TOML; `None` when it is not set.
    pub value: Option<String>,
}

/// One part's settings, for code that goes through all of them.
pub(super) trait Section {
    fn part(&self) -> &'static str;
    fn about(&self) -> &'static [&'static str];
    fn keys(&self) -> Vec<Key>;
    /// Sets a field that [`Section::keys`] lists. The error says what was expected.
    fn set(&mut self, field: &str, input: &Input) -> Result<(), &'static str>;
}

fn read<T: Setting>(input: &Input) -> Result<T, &'static str> {
    let value = match input {
        Input::Text(text) => T::from_text(text),
        Input::Toml(value) => T::from_toml(value),
    };
    value.ok_or(T::EXPECTS)
}

macro_rules! section {
    (
        $(#[doc = $about:literal])+
        $part:literal $name:ident {
            $( $(#[doc = $doc:literal])+ $field:ident: $type:ty = $default:expr, )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name {
            $( $(#[doc = $doc])+ pub $field: $type, )+
        }

        impl Default for $name {
            fn default() -> $name {
                $name { $( $field: $default, )+ }
            }
        }

        impl Section for $name {
            fn part(&self) -> &'static str {
                $part
            }

            fn about(&self) -> &'static [&'static str] {
                &[$($about),+]
            }

            fn keys(&self) -> Vec<Key> {
                vec![$( Key {
                    field: stringify!($field),
                    about: &[$($doc),+],
                    value: self.$field.to_toml(),
                }, )+]
            }

            fn set(&mut self, field: &str, input: &Input) -> Result<(), &'static str> {
                match field {
                    $( stringify!($field) => self.$field = read(input)?, )+
                    _ => unreachable!("only listed fields are set"),
                }
                Ok(())
            }
        }
    };
}

section! {
    /// Where the server listens and what it serves.
    "server" Server {
        /// Address of the HTTP listener. Port 0 takes a free one.
        http: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 8080)),
        /// Address of the HTTPS listener. Not set: there is none.
        https: Option<SocketAddr> = None,
        /// Folder of the store, the logs and the component cache. One process at a time.
        data: PathBuf = PathBuf::from("data"),
        /// Folder of compiled components, which several servers may share. Not set: `components` in the data folder.
        cache: Option<PathBuf> = None,
        /// Size of that folder, in bytes. Above it the components that were not used for the
        /// longest time are deleted; they are compiled again when they are called.
        cache_max_bytes: u64 = 4 << 30,
        /// Folder of the scripts.
        scripts: PathBuf = PathBuf::from("scripts"),
        /// Development mode: answers to callers carry error stacks.
        dev: bool = false,
        /// Key that seals private keys in the store, as 64 hexadecimal digits. Not set: the file
        /// `master.key` in the data folder, which the first start makes.
        master_key: Option<Secret> = None,
        /// How long a stopping server waits for requests under way, in milliseconds.
        drain_ms: u64 = 30_000,
    }
}

section! {
    /// What one request, one script and the whole server may use.
    "limits" Limits {
        /// Wall-clock time of a request, in milliseconds. A script's own: @timeout.
        wall_clock_ms: u64 = 30_000,
        /// The largest @timeout, in milliseconds; a script that asks for more is cut to it.
        wall_clock_max_ms: u64 = 3_600_000,
        /// CPU of a request, in fuel units; about 5 seconds. A script's own: @fuel.
        fuel_units: u64 = 25_000_000_000,
        /// The largest @fuel, in fuel units; a script that asks for more is cut to it.
        fuel_max_units: u64 = 500_000_000_000,
        /// Memory of an instance, in bytes. A script's own: @memory.
        memory_bytes: u64 = 64 << 20,
        /// The largest @memory, in bytes; a script that asks for more is cut to it.
        memory_max_bytes: u64 = 256 << 20,
        /// Body of a request, in bytes.
        request_body_bytes: u64 = 10 << 20,
        /// Body of a response, in bytes.
        response_body_bytes: u64 = 32 << 20,
        /// Source text of one script, in bytes.
        source_bytes: u64 = 1 << 20,
        /// A script with everything it imports, and the body of a request to the management API, in bytes.
        bundle_bytes: u64 = 5 << 20,
        /// Time to send a whole body to the management API, in milliseconds.
        body_read_ms: u64 = 30_000,
        /// Outbound calls of one request, in all.
        outbound_calls: u64 = 50,
        /// Outbound calls of one request that wait for an answer's head at once.
        outbound_concurrent: u64 = 6,
        /// How deep scripts may call their neighbours.
        self_call_depth: u64 = 8,
        /// Log text of one request, in bytes.
        log_bytes: u64 = 256 << 10,
        /// Instances at once. 0: as many as the machine's memory allows.
        instances: u64 = 0,
    }
}

section! {
    /// Logs. The program's own goes to standard error, access logs to the data folder.
    "log" Log {
        /// What the program logs, as a tracing filter such as "info,footpath::exec=debug".
        filter: String = "info".to_owned(),
        /// An access-log file is rotated at this size, in bytes.
        rotate_bytes: u64 = 16 << 20,
        /// How many rotated access-log files are kept.
        rotated_files: u64 = 4,
    }
}

section! {
    /// Outbound calls of scripts.
    "egress" Egress {
        /// Addresses scripts may reach although they are loopback, private, link-local
        /// or otherwise special: host, IP address or CIDR block, each optionally with a port,
        /// such as "db.internal:5432", "10.1.2.3", "10.0.0.0/8", "[fd00::1]:80".
        allow: Vec<String> = Vec::new(),
        /// Time to connect, TLS included, in milliseconds.
        connect_ms: u64 = 10_000,
        /// Time from the sent request to the response's head, in milliseconds.
        first_byte_ms: u64 = 30_000,
        /// Time between two parts of a response's body, in milliseconds.
        between_bytes_ms: u64 = 30_000,
    }
}

section! {
    /// Scripts and their versions.
    "exec" Exec {
        /// Versions kept of one script; older ones are deleted.
        versions_per_script_max: u64 = 100,
        /// Handlers that stay loaded, about a megabyte each; the next call of another one
        /// takes a millisecond more.
        loaded_handlers_max: u64 = 256,
        /// A handler that was not called for this long is unloaded, in milliseconds.
        loaded_idle_ms: u64 = 60_000,
    }
}

section! {
    /// Scheduled runs.
    "cron" Cron {
        /// Time zone of entries that name none (IANA), such as "Europe/Berlin".
        timezone: String = "UTC".to_owned(),
        /// Let entries run programs other than curl, as this server's own user.
        shell: bool = false,
        /// Host names, each optionally with a port, that are this server: URLs with them
        /// are called in process, such as "example.org". Its own addresses are known.
        hosts: Vec<String> = Vec::new(),
        /// Time that one attempt may take, in seconds, for entries that do not say.
        timeout_seconds: u64 = 600,
        /// Entries in all.
        entries_max: u64 = 100_000,
        /// Runs under way at once. Never more than half of limits.instances.
        concurrent_runs_max: u64 = 256,
        /// Runs that wait at once; what comes due beyond them is left out.
        waiting_runs_max: u64 = 10_000,
        /// A run that has waited this long for its turn is left out, in milliseconds.
        capacity_wait_ms: u64 = 60_000,
        /// Runs kept of one entry; older ones are deleted.
        runs_per_entry_max: u64 = 1_000,
        /// Runs are deleted after this many days.
        runs_age_days_max: u64 = 30,
    }
}

section! {
    /// Management tokens.
    "auth" Auth {
        /// The root token, also as FOOTPATH_TOKEN. Not set: the first start makes one and prints it.
        token: Option<Secret> = None,
        /// Scripts without a @token of their own can be called only with a token that has exec:run.
        scripts_need_token: bool = false,
        /// Wrong tokens of one client address in a minute, after which it has to wait.
        failures_per_minute: u64 = 30,
    }
}

section! {
    /// The model for scripts with @ai true.
    "ai" Ai {
        /// Base URL of an OpenAI-compatible API. OPENAI_BASE_URL serves when it is not set.
        base_url: Option<String> = None,
        /// Its key. OPENAI_API_KEY serves when it is not set.
        api_key: Option<Secret> = None,
        /// File that holds the key, when `api_key` is not set.
        api_key_file: Option<PathBuf> = None,
        /// Name of the model, when a script does not name one. Not set: gemini-2.5-flash-lite.
        model: Option<String> = None,
        /// Tokens of one answer, at most and by default.
        tokens_per_call: u64 = 8_192,
        /// All messages of one request, in bytes.
        prompt_bytes: u64 = 256 << 10,
        /// The text of one answer, in bytes.
        answer_bytes: u64 = 512 << 10,
        /// Time until an answer begins and between its parts, in milliseconds.
        silence_ms: u64 = 20_000,
        /// What models cost, for the caps on money: a model's name, then the prices of a
        /// million tokens in and out, such as "openai/gpt-4o-mini 0.15 0.60".
        prices: Vec<String> = Vec::new(),
    }
}

section! {
    /// TLS and the reverse proxy.
    "proxy" Proxy {
        /// Domain of the certificate for clients that name no host, or an unknown one.
        /// Not set: the self-signed one.
        default_domain: Option<String> = None,
        /// Whether a handshake for an unknown host ends in an alert instead of the default certificate.
        refuse_unknown: bool = false,
        /// Whether plain HTTP is answered with a redirect to HTTPS, but for ACME's challenges.
        redirect_to_https: bool = false,
        /// Port of such redirects, if it is not that of the HTTPS listener. 0: it is.
        https_port: u64 = 0,
        /// How long browsers must use HTTPS only, in seconds; sent with answers over HTTPS. 0: not sent.
        hsts_seconds: u64 = 0,
        /// Proxies in front of this server, as addresses or CIDR blocks: what they say in
        /// X-Forwarded-For, X-Forwarded-Proto and X-Forwarded-Host is believed.
        trusted: Vec<String> = Vec::new(),
        /// Aliases, such as "app.example.com/api=http://10.0.0.5:3000" or "docs.example.com=scripts:2".
        aliases: Vec<String> = Vec::new(),
        /// Short names of aliases become the first label of this domain's hosts.
        domain: String = "localhost".to_owned(),
        /// PEM file with extra roots for the TLS of upstreams.
        upstream_ca: Option<PathBuf> = None,
        /// Addresses that aliases may lead to although they are loopback, private or otherwise
        /// special; written like egress.allow.
        allow: Vec<String> = Vec::new(),
        /// Time to connect to an upstream, TLS included, in milliseconds.
        connect_ms: u64 = 10_000,
        /// Time that an upstream may be silent before its answer begins, in milliseconds.
        first_byte_ms: u64 = 60_000,
        /// Time that either side may be silent within a body or an upgraded connection, in milliseconds.
        idle_ms: u64 = 300_000,
        /// Requests to upstreams at once; more are answered with 503.
        requests_max: u64 = 10_000,
        /// Requests that the proxy's access log keeps in memory.
        log_entries: u64 = 10_000,
    }
}

section! {
    /// Routes that write themselves: calls that reach a catch-all script with @ai true.
    "author" Author {
        /// Methods that may make routes. Empty: all.
        methods: Vec<String> = Vec::new(),
        /// Paths below which routes are made, such as "/api". Empty: all.
        prefixes: Vec<String> = Vec::new(),
        /// Paths that only scanners ask for: the end of a path, or with a * its beginning
        /// at any depth. They get a plain 404.
        scanner_paths: Vec<String> = decoys::scanner_paths(),
        /// A route that a model wrote waits for a person's approval.
        approval: bool = false,
        /// How often a model may mend code that did not compile or did not answer, for one
        /// call. The script runs once more, and the model is told what went wrong.
        repairs: u64 = 1,
        /// How long a call waits for another one that makes its route, in milliseconds.
        wait_ms: u64 = 60_000,
        /// After the second failure a path is not tried again for this long, in
        /// milliseconds; each further failure doubles it.
        backoff_ms: u64 = 30_000,
        /// The longest such time, in milliseconds.
        backoff_max_ms: u64 = 3_600_000,
        /// Calls of models a minute.
        calls_per_minute: u64 = 60,
        /// Calls of models a minute that one client address leads to.
        calls_per_minute_per_client: u64 = 20,
        /// New routes an hour.
        routes_per_hour: u64 = 100,
        /// New routes a day.
        routes_per_day: u64 = 500,
        /// Tokens a day, in and out.
        tokens_per_day: u64 = 2_000_000,
        /// Money a day, in hundredths of the currency of ai.prices.
        cost_per_day_cents: u64 = 1_000,
        /// Time of code in an isolate, in milliseconds.
        isolate_ms: u64 = 10_000,
        /// CPU of code in an isolate, in fuel units; about 1 second.
        isolate_fuel_units: u64 = 5_000_000_000,
        /// Memory of an isolate, in bytes.
        isolate_memory_bytes: u64 = 32 << 20,
    }
}

section! {
    /// Certificates.
    "acme" Acme {
        /// URL of the certificate authority's ACME directory.
        directory: Option<String> = None,
        /// PEM file with an extra root for that directory's own TLS.
        ca: Option<PathBuf> = None,
        /// Contact of the account, such as "mailto:ops@example.com".
        contact: Option<String> = None,
        /// URL of a staging directory, which is asked first after a failure.
        staging: Option<String> = None,
        /// Id of the key of an external account, and the key itself as base64url.
        eab_key_id: Option<String> = None,
        /// See eab_key_id.
        eab_mac_key: Option<Secret> = None,
        /// Ways to prove a name, in the order in which they are tried. Wildcards need dns-01.
        challenges: Vec<String> = ["http-01", "tls-alpn-01", "dns-01"].map(str::to_owned).to_vec(),
        /// Path of the script that changes DNS records for dns-01: it gets POST with
        /// { action: "present" or "cleanup", domain, name, value }, and any 2xx means done.
        dns: Option<String> = None,
        /// Certificates that the server keeps without any script: one entry each, of one
        /// or more names separated by spaces.
        names: Vec<String> = Vec::new(),
        /// Profile of new orders, if the directory has any.
        profile: Option<String> = None,
        /// Keys of new certificates: ec256, ec384 or rsa2048.
        key_type: String = "ec256".to_owned(),
        /// How often is looked whether a certificate is due, in milliseconds.
        check_ms: u64 = 60_000,
        /// Names that get a certificate when the first handshake asks for them; a
        /// wildcard stands for one label. That handshake gets what unknown names get.
        on_demand_names: Vec<String> = Vec::new(),
        /// URL that says which other names do: it is asked with ?domain=NAME, and any 2xx
        /// means yes.
        on_demand_ask: Option<String> = None,
        /// How many certificates may be ordered on demand in an hour.
        on_demand_per_hour: u64 = 10,
    }
}
