//! All operations of the management API, in one place. Every one of them is in
//! the OpenAPI document too, since that is made from this list.

use std::collections::BTreeSet;

use http::{Method, StatusCode};

use super::endpoint::{Endpoint, Surface};
use super::exec::{
    authoring, cache, component, listing, logs, magic_comments, monitor, route, scripts,
    shared_state, tree, user_openapi, validate, versions,
};
use super::proxy::permissions::{self, overview};
use super::proxy::{aliases, bundles, certs, logs as access_log};
use super::{
    AUTH, CRON, EXEC_READ, EXEC_WRITE, LOGS, PROXY_ALIAS, PROXY_CERT, auth, cron, health, openapi,
};

const GET: Method = Method::GET;
const POST: Method = Method::POST;
const PUT: Method = Method::PUT;
const PATCH: Method = Method::PATCH;
const DELETE: Method = Method::DELETE;

/// Paths below these are never a script's.
pub const RESERVED: [&str; 5] = [
    "/api/v1/exec",
    "/api/v1/auth",
    "/api/v1/cron",
    "/api/v1/proxy",
    "/_logs",
];

/// The first segments of all paths that are not a script's, or not only.
pub fn first_segments() -> BTreeSet<&'static str> {
    let paths = all().into_iter().map(|endpoint| endpoint.path);
    paths.chain(RESERVED).map(first_segment).collect()
}

/// What stands between the first two slashes of a path.
pub fn first_segment(path: &str) -> &str {
    path.split('/').nth(1).unwrap_or_default()
}

/// `exec!(METHOD path, permission, function)`: bare answers, for a deployment.
macro_rules! exec {
    ($method:ident $path:literal, $permission:ident, $function:path) => {
        Endpoint::new(Surface::Exec, $method, $path, Some($permission), $function)
    };
}

/// The control plane's envelope around answers.
macro_rules! control {
    ($method:ident $path:expr, $permission:ident, $function:path) => {
        Endpoint::new(
            Surface::ControlPlane,
            $method,
            $path,
            Some($permission),
            $function,
        )
    };
}

/// Bare answers, for no deployment.
macro_rules! bare {
    ($method:ident $path:literal, $permission:ident, $function:path) => {
        Endpoint::new(Surface::Open, $method, $path, Some($permission), $function)
    };
}

/// Who may pass, at one of the places that have a document of permissions.
macro_rules! permissions {
    ($base:literal) => {{
        macro_rules! at {
            ($method:ident $below:literal, $function:path) => {
                Endpoint::new(
                    Surface::ControlPlane,
                    $method,
                    concat!($base, $below),
                    Some(PROXY_ALIAS),
                    $function,
                )
            };
        }
        [
            at!(GET "", permissions::get).about("Who may pass"),
            at!(PUT "", permissions::replace).about("Replace the permissions"),
            at!(DELETE "", permissions::reset).about("Let everybody pass"),
            at!(PATCH "/default", permissions::set_default)
                .about("What holds for those that are in no group"),
            at!(PATCH "/state", permissions::set_state).about("Refuse everybody, or not"),
            at!(PUT "/groups/{group}/{kind}", permissions::put_group)
                .about("Make a group of the kind token, password, jwt or ip"),
            at!(DELETE "/groups/{group}", permissions::remove_group).about("Delete a group"),
            at!(PUT "/permissions/{group}", permissions::put_access).about("What a group may do"),
            at!(DELETE "/permissions/{group}", permissions::remove_access)
                .about("A group may do everything"),
            at!(DELETE "/permissions/{group}/{program}", permissions::remove_access)
                .about("Forget what a group may do with a program"),
        ]
    }};
}

/// Parts of those permissions by themselves, where they hold for several aliases.
macro_rules! overview {
    ($base:literal) => {{
        macro_rules! at {
            ($method:ident $below:literal, $function:path) => {
                control!($method concat!($base, $below), PROXY_ALIAS, $function)
            };
        }
        [
            at!(GET "/settings", overview::settings).about("What holds for everybody"),
            at!(PUT "/settings", overview::set_settings)
                .about("Refuse everybody or not, and those that are in no group"),
            at!(GET "/groups", overview::groups).about("The groups, without their secrets"),
            at!(GET "/services", overview::services)
                .about("The aliases that the permissions hold for, and who may use them"),
            at!(GET "/services/{service}", overview::service).about("One of these aliases, by its id"),
        ]
    }};
}

/// All of cron below a prefix: it is served at its own paths and at ours.
macro_rules! cron {
    ($prefix:literal) => {{
        macro_rules! at {
            ($method:ident $path:literal, $function:path) => {
                Endpoint::new(Surface::Cron, $method, concat!($prefix, $path), Some(CRON), $function)
            };
        }
        [
            open!(GET concat!($prefix, "/health"), cron::health::read)
                .about("That the scheduler is there, and what it is"),
            at!(GET "/crontab", cron::crontab::list).about("The crontabs of all users that the token reaches"),
            at!(GET "/users/{user}/entries", cron::entries::list)
                .about("List entries")
                .shape(&cron::entries::list_shape()),
            at!(POST "/users/{user}/entries", cron::entries::create)
                .about("Make an entry; it is there until it is deleted or expires")
                .status(StatusCode::CREATED),
            at!(GET "/users/{user}/entries/{id}", cron::entries::read).about("Read an entry"),
            at!(PATCH "/users/{user}/entries/{id}", cron::entries::update).about("Change an entry"),
            at!(DELETE "/users/{user}/entries/{id}", cron::entries::delete)
                .about("Delete an entry; its runs stay"),
            at!(POST "/users/{user}/entries/{id}/run", cron::runs::start)
                .about("Run an entry now, or say what would be called")
                .shape(&cron::runs::start_shape()),
            at!(GET "/users/{user}/entries/{id}/runs", cron::runs::of_entry)
                .about("The runs of an entry, newest first"),
            at!(GET "/users/{user}/runs", cron::runs::of_user)
                .about("The runs of all entries of a user, newest first"),
            at!(GET "/users/{user}/crontab", cron::crontab::read).about("The entries of a user as a crontab"),
            at!(PUT "/users/{user}/crontab", cron::crontab::write)
                .about("Replace all entries of a user by those of a crontab"),
        ]
    }};
}

/// For everybody.
macro_rules! open {
    ($method:ident $path:expr, $function:path) => {
        Endpoint::new(Surface::Open, $method, $path, None, $function)
    };
}

pub fn all() -> Vec<Endpoint> {
    let mut all = vec![
        open!(GET "/openapi.json", openapi::json).about("This document"),
        open!(GET "/openapi.yaml", openapi::yaml).about("This document as YAML").media("application/yaml"),
        open!(GET "/api/v1/cron/openapi.json", openapi::json).about("This document"),
        open!(GET "/api/v1/cron/openapi.yaml", openapi::yaml)
            .about("This document as YAML")
            .media("application/yaml"),
        open!(GET "/api/v1/exec/health", health::read).about("That the server is there, and what it is"),
        exec!(POST "/api/v1/exec/scripts/write", EXEC_WRITE, scripts::write)
            .about("Write a script; the next call runs the new code"),
        exec!(GET "/api/v1/exec/scripts/read", EXEC_READ, scripts::read).about("Read a script"),
        exec!(GET "/api/v1/exec/scripts/list", EXEC_READ, listing::list)
            .about("List scripts, with what answers for each and why that may not be its newest text"),
        exec!(DELETE "/api/v1/exec/scripts/delete", EXEC_WRITE, scripts::delete)
            .about("Delete a script; its versions stay"),
        exec!(POST "/api/v1/exec/scripts/move", EXEC_WRITE, scripts::rename).about("Move a script"),
        exec!(POST "/api/v1/exec/scripts/tree", EXEC_READ, tree::read).about("The folder as a tree"),
        exec!(GET "/api/v1/exec/scripts/versions", EXEC_READ, versions::list)
            .about("List the versions of a script, read one, or compare two"),
        exec!(POST "/api/v1/exec/scripts/rollback", EXEC_WRITE, versions::roll_back)
            .about("Write an earlier version back"),
        exec!(POST "/api/v1/exec/scripts/adopt", EXEC_WRITE, authoring::adopt)
            .about("Make a script that a model wrote a person's"),
        exec!(POST "/api/v1/exec/scripts/pin", EXEC_WRITE, authoring::pin)
            .about("Keep a script from ever being replaced by a model"),
        exec!(GET "/api/v1/exec/trail", EXEC_READ, authoring::trail)
            .about("The routes that calls have made, newest first")
            .shape(&authoring::trail_shape()),
        exec!(GET "/api/v1/exec/drafts", EXEC_READ, authoring::drafts)
            .about("Routes that wait for approval")
            .shape(&authoring::drafts_shape()),
        exec!(GET "/api/v1/exec/drafts/{id}", EXEC_READ, authoring::draft)
            .about("Read a draft")
            .shape(&authoring::draft_shape(true)),
        exec!(POST "/api/v1/exec/drafts/{id}/approve", EXEC_WRITE, authoring::approve).about("Publish a draft"),
        exec!(POST "/api/v1/exec/drafts/{id}/reject", EXEC_WRITE, authoring::reject)
            .about("Forget a draft")
            .shape(&authoring::rejected_shape()),
        exec!(GET "/api/v1/exec/author/failures", EXEC_READ, authoring::failures)
            .about("Paths whose making failed, and when they are tried again")
            .shape(&authoring::failures_shape()),
        exec!(DELETE "/api/v1/exec/author/failures/clear", EXEC_WRITE, authoring::clear_failures)
            .about("Let paths that failed be tried again")
            .shape(&authoring::cleared_shape()),
        exec!(GET "/api/v1/exec/author/budget", EXEC_READ, authoring::budget)
            .about("What models have used, and the caps")
            .shape(&authoring::budget_shape()),
        exec!(POST "/api/v1/exec/user-openapi/generate", EXEC_READ, user_openapi::generate)
            .about("An OpenAPI document of the routes, from scripts, companion files and traffic")
            .shape(&user_openapi::generate_shape()),
        exec!(GET "/api/v1/exec/user-openapi/spec", EXEC_READ, user_openapi::spec)
            .about("The OpenAPI document of the routes itself"),
        exec!(GET "/api/v1/exec/user-openapi/list", EXEC_READ, user_openapi::list)
            .about("Scripts and whether they have companion files")
            .shape(&user_openapi::list_shape()),
        exec!(GET "/api/v1/exec/user-openapi/schema", EXEC_READ, user_openapi::schema)
            .about("The companion file of a script")
            .shape(&user_openapi::schema_shape()),
        exec!(POST "/api/v1/exec/user-openapi/validate", EXEC_READ, user_openapi::validate)
            .about("Check what a companion file would hold")
            .shape(&user_openapi::validate_shape()),
        exec!(POST "/api/v1/exec/user-openapi/merge", EXEC_READ, user_openapi::merge)
            .about("Several documents as one")
            .shape(&user_openapi::schema_shape()),
        exec!(GET "/api/v1/exec/scripts/component", EXEC_READ, component::read)
            .about("The WebAssembly component that a script became")
            .media("application/wasm"),
        exec!(POST "/api/v1/exec/validate/script", EXEC_READ, validate::script).about("Check a script"),
        exec!(POST "/api/v1/exec/validate/syntax", EXEC_READ, validate::syntax).about("Check JavaScript syntax"),
        exec!(POST "/api/v1/exec/validate/typescript", EXEC_READ, validate::typescript)
            .about("Compile TypeScript to JavaScript"),
        exec!(POST "/api/v1/exec/validate/magic-comments", EXEC_READ, validate::magic_comments)
            .about("Read the directives of a text"),
        exec!(POST "/api/v1/exec/validate/return-type", EXEC_READ, validate::return_type)
            .about("Check a value against a type"),
        exec!(GET "/api/v1/exec/magic-comments/schema", EXEC_READ, magic_comments::document)
            .about("All directives that there are"),
        exec!(GET "/api/v1/exec/magic-comments/read", EXEC_READ, magic_comments::read)
            .about("The directives of a script"),
        exec!(PUT "/api/v1/exec/magic-comments/update", EXEC_WRITE, magic_comments::update)
            .about("Change directives of a script"),
        exec!(POST "/api/v1/exec/magic-comments/bulk-update", EXEC_WRITE, magic_comments::bulk_update)
            .about("Change directives of all scripts in a folder"),
        exec!(POST "/api/v1/exec/route/resolve", EXEC_READ, route::resolve).about("What answers at a path"),
        exec!(POST "/api/v1/exec/route/discover", EXEC_READ, route::discover).about("All routes"),
        exec!(POST "/api/v1/exec/route/test", EXEC_READ, route::test).about("What answers at several paths"),
        exec!(POST "/api/v1/exec/shared-state/get", EXEC_READ, shared_state::get).about("Read `shared`"),
        exec!(POST "/api/v1/exec/shared-state/set", EXEC_WRITE, shared_state::set).about("Change `shared`"),
        exec!(POST "/api/v1/exec/shared-state/clear", EXEC_WRITE, shared_state::clear).about("Clear `shared`"),
        exec!(POST "/api/v1/exec/cache/clear", EXEC_WRITE, cache::clear)
            .about("Drop loaded handlers and kept instances, and `shared` if asked to"),
        exec!(GET "/api/v1/exec/logs/list", LOGS, logs::list).about("List log files").shape(&logs::list_shape()),
        exec!(POST "/api/v1/exec/logs/read", LOGS, logs::read)
            .about("Read the lines of a log file or of one execution")
            .shape(&logs::read_shape()),
        exec!(POST "/api/v1/exec/logs/search", LOGS, logs::search)
            .about("Search the logs")
            .shape(&logs::search_shape()),
        exec!(GET "/api/v1/exec/logs/stream", LOGS, logs::stream)
            .about("Follow a log file as server-sent events")
            .media("text/event-stream"),
        exec!(DELETE "/api/v1/exec/logs/clear", EXEC_WRITE, logs::clear)
            .about("Delete log files")
            .shape(&logs::clear_shape()),
        exec!(GET "/api/v1/exec/monitor/stats", LOGS, monitor::stats)
            .about("Counters since the start")
            .shape(&monitor::stats_shape()),
        exec!(GET "/api/v1/exec/monitor/active-requests", LOGS, monitor::active)
            .about("Requests that run now")
            .shape(&monitor::active_shape()),
        exec!(GET "/api/v1/exec/monitor/scripts", LOGS, monitor::scripts)
            .about("Counters and last errors of each script")
            .shape(&monitor::scripts_shape()),
        exec!(POST "/api/v1/exec/monitor/script-performance", LOGS, monitor::performance)
            .about("Counters and last errors of one script")
            .shape(&monitor::performance_shape()),
        exec!(GET "/api/v1/exec/monitor/metrics", LOGS, monitor::metrics)
            .about("Metrics for Prometheus")
            .media("text/plain"),
        exec!(GET "/metrics", LOGS, monitor::metrics).about("Metrics for Prometheus").media("text/plain"),
        exec!(GET "/api/v1/exec/schedules/list", EXEC_READ, cron::schedules::list)
            .about("The schedules of scripts, and when they are due next"),
        exec!(POST "/api/v1/exec/schedules/trigger", EXEC_WRITE, cron::schedules::trigger)
            .about("Run a scheduled script now and wait for its end"),
        exec!(GET "/api/v1/exec/schedules/history", EXEC_READ, cron::schedules::history)
            .about("The runs of scheduled scripts, newest first"),
        exec!(POST "/api/v1/exec/schedules/reload", EXEC_WRITE, cron::schedules::reload)
            .about("Read the schedules of all scripts again"),
        control!(GET "/api/v1/auth/tokens", AUTH, auth::list).about("List tokens"),
        control!(POST "/api/v1/auth/tokens", AUTH, auth::create)
            .about("Make a token; its secret is shown this once")
            .status(StatusCode::CREATED),
        control!(GET "/api/v1/auth/tokens/me", AUTH, auth::me).about("Read the token that asks"),
        control!(GET "/api/v1/auth/tokens/{id}", AUTH, auth::get).about("Read a token"),
        control!(PATCH "/api/v1/auth/tokens/{id}", AUTH, auth::update).about("Change a token"),
        control!(PUT "/api/v1/auth/tokens/{id}", AUTH, auth::update).about("Change a token; the same as PATCH"),
        control!(DELETE "/api/v1/auth/tokens/{id}", AUTH, auth::revoke)
            .about("Revoke a token; it is refused from the next request on"),
        control!(POST "/api/v1/auth/tokens/{id}/rotate", AUTH, auth::rotate)
            .about("Give a token a new secret; the old one goes on for overlap_seconds, if given, else stops at once"),
        control!(GET "/api/v1/proxy/certs", PROXY_CERT, certs::list)
            .about("How every certificate stands: dates, next renewal and why then, last error, trace"),
        control!(GET "/api/v1/proxy/certs/{domain}", PROXY_CERT, certs::get)
            .about("How a certificate stands, with the trace from its request to its first handshake"),
        control!(DELETE "/api/v1/proxy/certs/{domain}", PROXY_CERT, certs::forget)
            .about("Stop renewing a certificate without being asked; what is served stays"),
        control!(PATCH "/api/v1/proxy/cert/bundle", PROXY_CERT, bundles::install)
            .about("Install a certificate; when it answers, the next handshake shows it"),
        control!(GET "/api/v1/proxy/cert/bundle", PROXY_CERT, bundles::list)
            .about("List certificates, or read one with its chain; never a key"),
        control!(DELETE "/api/v1/proxy/cert/bundle", PROXY_CERT, bundles::remove)
            .about("Forget the certificate of a domain"),
        control!(POST "/api/v1/proxy/cert/bundle/rollback", PROXY_CERT, bundles::roll_back)
            .about("Go back to the certificate before"),
        control!(GET "/api/v1/proxy/cert/bundle/{domain}", PROXY_CERT, bundles::get)
            .about("Read a certificate with its chain; never its key"),
        control!(DELETE "/api/v1/proxy/cert/bundle/{domain}", PROXY_CERT, bundles::remove_one)
            .about("Forget the certificate of a domain"),
        control!(POST "/api/v1/proxy/cert/bundle/{domain}/rollback", PROXY_CERT, bundles::roll_back_one)
            .about("Go back to the certificate before"),
        control!(GET "/api/v1/proxy/aliases", PROXY_ALIAS, aliases::list).about("List aliases"),
        control!(POST "/api/v1/proxy/aliases", PROXY_ALIAS, aliases::create)
            .about("Lead a host to an upstream or to scripts")
            .status(StatusCode::CREATED),
        control!(GET "/api/v1/proxy/aliases/{id}", PROXY_ALIAS, aliases::get).about("Read an alias"),
        control!(PATCH "/api/v1/proxy/aliases/{id}", PROXY_ALIAS, aliases::update).about("Change an alias"),
        control!(DELETE "/api/v1/proxy/aliases/{id}", PROXY_ALIAS, aliases::remove).about("Delete an alias"),
        control!(PATCH "/api/v1/proxy/aliases/{id}/state", PROXY_ALIAS, aliases::set_state)
            .about("Switch an alias on or off"),
        bare!(GET "/_logs", LOGS, access_log::read)
            .about("The access log of the listeners, newest first")
            .shape(&access_log::read_shape()),
        bare!(GET "/_logs/stream", LOGS, access_log::stream)
            .about("Follow the access log as server-sent events")
            .media("text/event-stream"),
        bare!(GET "/_logs/stats", LOGS, access_log::stats)
            .about("Numbers since the start")
            .shape(&access_log::stats_shape()),
    ];
    all.extend(permissions!("/api/v1/proxy/aliases/{id}/permissions"));
    all.extend(permissions!(
        "/api/v1/containers/{container}/proxy/permissions"
    ));
    all.extend(permissions!("/api/v1/projects/{project}/proxy/permissions"));
    all.extend(overview!("/api/v1/containers/{container}/proxy"));
    all.extend(overview!("/api/v1/projects/{project}/proxy"));
    all.extend(cron!(""));
    all.extend(cron!("/api/v1/cron"));
    all
}
