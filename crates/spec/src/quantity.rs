//! Amounts in the notations of Kubernetes and systemd.

/// Whether `text` is a Kubernetes quantity that is not negative (apimachinery, `resource.Quantity`), such as `100m`, `256Mi`, `1.5`.
pub(crate) fn is_quantity(text: &str) -> bool {
    let end = text.find(|character: char| !(character.is_ascii_digit() || character == '.')).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let digits = number.bytes().filter(u8::is_ascii_digit).count();
    if digits == 0 || digits > 18 || number.matches('.').count() > 1 {
        return false;
    }
    let exponent = suffix.strip_prefix(['e', 'E']).is_some_and(|power| power.parse::<i8>().is_ok());
    exponent || matches!(suffix, "" | "n" | "u" | "m" | "k" | "M" | "G" | "T" | "P" | "E" | "Ki" | "Mi" | "Gi" | "Ti" | "Pi" | "Ei")
}

/// Whether `text` is a percentage from 0 to 100.
pub(crate) fn is_percentage(text: &str) -> bool {
    let number = text.strip_suffix('%').filter(|number| number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'));
    number.and_then(|number| number.parse::<f64>().ok()).is_some_and(|number| (0.0..=100.0).contains(&number))
}

/// Whether `text` is a whole amount of bytes, as kubelet wants the size of log files: `10Mi`, `1000000`.
pub(crate) fn is_byte_quantity(text: &str) -> bool {
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    (1..=15).contains(&number.len())
        && number.bytes().any(|digit| digit != b'0')
        && matches!(suffix, "" | "k" | "M" | "G" | "Ki" | "Mi" | "Gi")
}

/// Whether `text` is a size in bytes as systemd writes it (systemd.syntax(7)): digits with K, M, G or T.
pub(crate) fn is_systemd_size(text: &str) -> bool {
    let number = text.strip_suffix(['K', 'M', 'G', 'T']).unwrap_or(text);
    (1..=15).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit()) && number.bytes().any(|digit| digit != b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities() {
        for good in ["0", "1", "100m", "1.5", "256Mi", "1e3", "2E", ".5"] {
            assert!(is_quantity(good), "{good}");
        }
        for bad in ["", "-1", "1MB", "Mi", "1 Mi", "1.2.3", "10%", "1mi", "e3"] {
            assert!(!is_quantity(bad), "{bad}");
        }
    }

    #[test]
    fn percentages_and_sizes() {
        assert!(is_percentage("0%") && is_percentage("12.5%") && is_percentage("100%"));
        assert!(!is_percentage("101%") && !is_percentage("%") && !is_percentage("-1%") && !is_percentage("5"));
        assert!(is_byte_quantity("10Mi") && !is_byte_quantity("0Mi") && !is_byte_quantity("10MB") && !is_byte_quantity("1.5Mi"));
        assert!(is_systemd_size("500M") && !is_systemd_size("500Mi") && !is_systemd_size("0") && !is_systemd_size("M"));
    }
}
