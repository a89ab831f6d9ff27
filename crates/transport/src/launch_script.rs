//! The script that runs on the host: finds or receives the executable and becomes it.

use barque_model::Digest;

use crate::quote::quote;

/// Placeholders in `@` are replaced. The script speaks in lines on standard output: `barque-need plain|gzip` (send exactly that form now),
/// `barque-fail STEP`, and last `barque-ok`, after which both standard streams are the executable's.
///
/// The login shell of the user reads it within single quotes, so it has no single quote and no backslash; csh takes no newline there,
/// so every line ends where a space may follow. Nothing but a POSIX shell and coreutils is used; busybox has all of it. busybox's
/// `head` reads ahead, which does no harm as nothing more is sent before `barque-ok`.
const BEGIN: &str = r#"
export LC_ALL=C; PATH="$PATH:/usr/sbin:/usr/bin:/sbin:/bin"; export PATH;
fail() { echo "barque-fail $*"; exit 71; };
is() { echo "@digest@  $1" | sha256sum -c >/dev/null 2>&1; };
[ "$(id -u)" = 0 ] || fail root;
for t in sha256sum head chmod mv mkdir rm; do command -v $t >/dev/null 2>&1 || fail tool $t; done;
d="@base@/@digest@"; f="$d/barque"; t="$d/.new.$$"; u=$(umask);
"#;

/// Finds the executable or puts it there, and removes others.
const KEPT: &str = r##"
if is "$f" && [ -x "$f" ]; then :; else
umask 022; mkdir -p "@parent@" || fail directory;
umask 077; mkdir -p "$d" || fail directory;
rm -f "$d"/.new.*;
{ echo "#!/bin/sh" > "$t" && chmod 700 "$t"; } || { rm -f "$t"; fail write; };
"$t" || { rm -f "$t"; fail exec; };
@receive@
mv -f "$t" "$f" || fail write; fi;
for o in "@base@"/*; do [ "$o" = "$d" ] || [ -e "$o/keep" ] || rm -rf "$o"; done;
umask $u; echo barque-ok; exec "$f" "$@"
"##;

/// Finds the executable, or runs it from a folder that is gone before it starts: its open file is all that is left of it. Memory comes first
/// (`@places@`), and the first place that runs programs is taken.
const UNSEEN: &str = r##"
if is "$f" && [ -x "$f" ]; then echo barque-ok; exec "$f" "$@"; fi;
umask 077; t=; w=directory;
for p in @places@; do
d="$p/.barque-$$-@nonce@"; mkdir "$d" 2>/dev/null || continue;
trap "rm -rf $d; exit 71" HUP INT TERM PIPE; t="$d/barque";
if { echo "#!/bin/sh" > "$t" && chmod 700 "$t"; }; then "$t" 2>/dev/null && break; w=exec; else w=write; fi;
rm -rf "$d"; t=; done;
[ -n "$t" ] || fail $w;
@receive@
exec 3< "$t" || { rm -rf "$d"; fail write; };
rm -rf "$d"; trap - HUP INT TERM PIPE;
umask $u; echo barque-ok; exec /proc/self/fd/3 "$@"
"##;

/// Receives the executable into `$t`.
const RECEIVE: &str = r#"
if [ @gzip@ -gt 0 ] && command -v gzip >/dev/null 2>&1; then
echo barque-need gzip; head -c @gzip@ | gzip -dc > "$t"; else
echo barque-need plain; head -c @size@ > "$t"; fi || { @clean@; fail write; };
is "$t" || { @clean@; fail hash; };
"#;

/// What becomes of the executable on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stay<'a> {
    /// It stays in the directory, for the next time.
    Kept(&'a str),
    /// It is used where it lies in the first directory; else it runs from one of the others and nothing of it stays. The word makes its
    /// folder's name unique.
    Unseen { kept: &'a str, places: &'a str, nonce: &'a str },
}

/// `sh -c '…' barque ARGUMENTS` for the login shell.
pub(crate) fn command(stay: Stay<'_>, digest: Digest, size: usize, gzip: Option<usize>, arguments: &[&str]) -> String {
    let (body, base, places, nonce, clean) = match stay {
        Stay::Kept(base) => (KEPT, base, "", "", "rm -f \"$t\""),
        Stay::Unseen { kept, places, nonce } => (UNSEEN, kept, places, nonce, "rm -rf \"$d\""),
    };
    let parent = base.rsplit_once('/').map_or("/", |(parent, _)| parent);
    let script = [BEGIN.trim(), body.trim()].join(" ");
    let script = script
        .replace("@receive@", RECEIVE.trim())
        .replace('\n', " ")
        .replace("@clean@", clean)
        .replace("@base@", base)
        .replace("@parent@", parent)
        .replace("@places@", places)
        .replace("@nonce@", nonce)
        .replace("@digest@", &digest.to_string())
        .replace("@size@", &size.to_string())
        .replace("@gzip@", &gzip.unwrap_or(0).to_string());
    let words: Vec<String> = arguments.iter().map(|word| quote(word)).collect();
    format!("sh -c {} barque {}", quote(&script), words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_login_shell_can_read_it() {
        let unseen = Stay::Unseen { kept: "/var/lib/barque/agent", places: "/dev/shm /run", nonce: "0a1b" };
        for stay in [Stay::Kept("/var/lib/barque/agent"), unseen] {
            let command = command(stay, Digest::of(b""), 3, None, &["--x", "a b"]);
            assert!(!command.contains(['\n', '\t', '\\']) && command.matches('\'').count() == 4, "{command}");
            let placeholders = command.split('@').skip(1).filter(|rest| rest.starts_with(|letter: char| letter.is_ascii_lowercase()));
            assert_eq!(placeholders.count(), 0, "{command}");
            assert!(command.ends_with("barque --x 'a b'"));
        }
    }
}
