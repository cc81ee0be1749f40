//! The pages that the server carries: `/`, `/playground`, `/dashboard` and their parts (protocol 1).
//!
//! The files are HTML, CSS and JavaScript modules as browsers read them, without a build step. All their links are
//! relative, so that a proxy may serve them below a path of its own. They load nothing from elsewhere: the policy in
//! [`HEADERS`] would keep a browser from doing so.

use flate2::{Compression, Crc, GzBuilder};
use signal_fish_core::http::{Asset, Target};
use std::io::Write;
use std::sync::LazyLock;

/// One file: where it is served, its type, its text.
struct File {
    path: &'static str,
    content_type: &'static str,
    text: &'static str,
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

macro_rules! files {
    ($($path:literal $content_type:ident $file:literal)+) => {
        [$(File { path: $path, content_type: $content_type, text: include_str!($file) }),+]
    };
}

const FILES: &[File] = &files! {
    "/" HTML "landing.html"
    "/playground" HTML "playground.html"
    "/dashboard" HTML "dashboard.html"
    "/parts/icon.svg" SVG "parts/icon.svg"
    "/parts/base.css" CSS "parts/base.css"
    "/parts/theme.js" SCRIPT "parts/theme.js"
    "/parts/dom.js" SCRIPT "parts/dom.js"
    "/parts/landing.css" CSS "parts/landing.css"
    "/parts/landing.js" SCRIPT "parts/landing.js"
    "/parts/dashboard.css" CSS "parts/dashboard.css"
    "/parts/dashboard/admin.js" SCRIPT "parts/dashboard/admin.js"
    "/parts/dashboard/chart.js" SCRIPT "parts/dashboard/chart.js"
    "/parts/dashboard/format.js" SCRIPT "parts/dashboard/format.js"
    "/parts/dashboard/history.js" SCRIPT "parts/dashboard/history.js"
    "/parts/dashboard/main.js" SCRIPT "parts/dashboard/main.js"
    "/parts/dashboard/panels.js" SCRIPT "parts/dashboard/panels.js"
    "/parts/dashboard/stream.js" SCRIPT "parts/dashboard/stream.js"
    "/parts/dashboard/tokens.js" SCRIPT "parts/dashboard/tokens.js"
    "/parts/playground.css" CSS "parts/playground.css"
    "/parts/playground/connection.js" SCRIPT "parts/playground/connection.js"
    "/parts/playground/frames.js" SCRIPT "parts/playground/frames.js"
    "/parts/playground/latency.js" SCRIPT "parts/playground/latency.js"
    "/parts/playground/main.js" SCRIPT "parts/playground/main.js"
    "/parts/playground/room.js" SCRIPT "parts/playground/room.js"
    "/parts/playground/seat.js" SCRIPT "parts/playground/seat.js"
    "/parts/playground/view.js" SCRIPT "parts/playground/view.js"
};

/// Header lines of every page and part: nothing from outside, nothing inline, in no frame. A browser asks every time
/// whether its copy is still the newest, because a new server brings new pages under the same names.
const HEADERS: &str = "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
    trusted-types 'none'\r\n\
    x-content-type-options: nosniff\r\n\
    referrer-policy: no-referrer\r\n\
    cache-control: no-cache\r\n";

/// What stands in the files for the version of the server.
const VERSION_PLACE: &str = "{{version}}";

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| FILES.iter().map(asset).collect());

/// The paths of the pages and their parts.
pub(crate) fn table<P>() -> impl Iterator<Item = (&'static str, Target<P>)> {
    FILES
        .iter()
        .zip(ASSETS.iter())
        .map(|(file, asset)| (file.path, Target::Asset(asset)))
}

fn asset(file: &File) -> Asset {
    let body = file.text.replace(VERSION_PLACE, env!("CARGO_PKG_VERSION")).into_bytes();
    let mut crc = Crc::new();
    crc.update(&body);
    // Weak: the same tag names the body in gzip.
    let tag = format!("W/\"{:08x}-{}\"", crc.sum(), body.len());
    Asset {
        content_type: file.content_type,
        headers: format!("{HEADERS}etag: {tag}\r\n"),
        gzip: gzip(&body).filter(|gzip| gzip.len() < body.len()),
        is_listed: file.content_type == HTML,
        tag,
        body,
    }
}

/// The bytes in gzip; writing to memory does not fail.
fn gzip(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzBuilder::new().write(Vec::new(), Compression::best());
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::path::Path;

    /// Paths of the files in a folder and those below it, relative to the first.
    fn files(folder: &Path, below: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).expect("the folder is there");
        let mut found: Vec<String> = entries
            .flat_map(|entry| {
                let path = entry.expect("readable").path();
                if path.is_dir() {
                    return files(&path, below);
                }
                vec![path.strip_prefix(below).expect("below").display().to_string()]
            })
            .filter(|path| Path::new(path).extension().is_some_and(|extension| extension != "rs"))
            .collect();
        found.sort();
        found
    }

    #[test]
    fn every_file_is_served_where_it_lies() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/pages");
        let mut served: Vec<String> = FILES
            .iter()
            .map(|file| match file.path {
                "/" => "landing.html".to_owned(),
                page if file.content_type == HTML => format!("{}.html", &page[1..]),
                part => part[1..].to_owned(),
            })
            .collect();
        served.sort();
        assert_eq!(served, files(&folder, &folder));
    }

    #[test]
    fn the_gzip_form_is_the_same_content() {
        for (file, asset) in FILES.iter().zip(ASSETS.iter()) {
            let Some(gzip) = &asset.gzip else { continue };
            let mut body = Vec::new();
            flate2::read::GzDecoder::new(&gzip[..])
                .read_to_end(&mut body)
                .expect("gzip");
            assert_eq!(body, asset.body, "{}", file.path);
        }
    }

    #[test]
    fn a_tag_names_the_content() {
        let file = |text| File {
            path: "/",
            content_type: HTML,
            text,
        };
        assert_eq!(asset(&file("a")).tag, asset(&file("a")).tag);
        assert_ne!(asset(&file("a")).tag, asset(&file("b")).tag);
    }
}
