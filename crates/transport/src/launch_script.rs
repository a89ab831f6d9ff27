//! The script that runs on the host: finds or receives the executable and becomes it.

use barque_model::Digest;

use crate::quote::quote;

/// `@base@`, `@parent@`, `@digest@`, `@size@` and `@gzip@` are replaced. It speaks in lines on standard output:
/// `barque-need plain|gzip` (send exactly that form now), `barque-fail STEP`, and last `barque-ok`, after which both standard
/// streams are the executable's.
///
/// The login shell of the user reads it within single quotes, so it has no single quote and no backslash; csh takes no newline there,
/// so every line ends where a space may follow. Nothing but a POSIX shell and coreutils is used; busybox has all of it. busybox's
/// `head` reads ahead, which does no harm as nothing more is sent before `barque-ok`.
const SCRIPT: &str = r##"
export LC_ALL=C; PATH="$PATH:/usr/sbin:/usr/bin:/sbin:/bin"; export PATH;
fail() { echo "barque-fail $*"; exit 71; };
is() { echo "@digest@  $1" | sha256sum -c >/dev/null 2>&1; };
[ "$(id -u)" = 0 ] || fail root;
for t in sha256sum head chmod mv mkdir rm; do command -v $t >/dev/null 2>&1 || fail tool $t; done;
d="@base@/@digest@"; f="$d/barque"; t="$d/.new.$$"; u=$(umask);
if is "$f" && [ -x "$f" ]; then :; else
umask 022; mkdir -p "@parent@" || fail directory;
umask 077; mkdir -p "$d" || fail directory;
rm -f "$d"/.new.*;
{ echo "#!/bin/sh" > "$t" && chmod 700 "$t"; } || { rm -f "$t"; fail write; };
"$t" || { rm -f "$t"; fail exec; };
if [ @gzip@ -gt 0 ] && command -v gzip >/dev/null 2>&1; then
echo barque-need gzip; head -c @gzip@ | gzip -dc > "$t"; else
echo barque-need plain; head -c @size@ > "$t"; fi || { rm -f "$t"; fail write; };
is "$t" || { rm -f "$t"; fail hash; };
mv -f "$t" "$f" || fail write; fi;
for o in "@base@"/*; do [ "$o" = "$d" ] || [ -e "$o/keep" ] || rm -rf "$o"; done;
umask $u; echo barque-ok; exec "$f" "$@"
"##;

/// `sh -c '…' barque ARGUMENTS` for the login shell.
pub(crate) fn command(base: &str, digest: Digest, size: usize, gzip: Option<usize>, arguments: &[&str]) -> String {
    let parent = base.rsplit_once('/').map_or("/", |(parent, _)| parent);
    let script = SCRIPT
        .trim()
        .replace('\n', " ")
        .replace("@base@", base)
        .replace("@parent@", parent)
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
        let command = command("/var/lib/barque/agent", Digest::of(b""), 3, None, &["--x", "a b"]);
        assert!(!SCRIPT.contains(['\'', '\\', '\t']) && !command.contains('\n'));
        assert!(
            !command.contains("@b")
                && !command.contains("@d")
                && !command.contains("@s")
                && !command.contains("@g")
                && !command.contains("@p")
        );
        assert!(command.ends_with("barque --x 'a b'"));
    }
}
