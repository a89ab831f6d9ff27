//! Texts in English and simplified Chinese.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A language of explanations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Language {
    /// English.
    #[serde(rename = "en")]
    English,
    /// Simplified Chinese.
    #[serde(rename = "zh")]
    Chinese,
}

/// A word that names no language of the catalog.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither `en` nor `zh`")]
pub struct UnknownLanguage(pub String);

impl Language {
    /// Every language.
    pub const ALL: [Self; 2] = [Self::English, Self::Chinese];

    /// `en` or `zh`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh",
        }
    }

    /// The language of a POSIX locale such as `zh_CN.UTF-8`; English for every other than Chinese.
    pub fn of_locale(locale: &str) -> Self {
        if locale.to_ascii_lowercase().starts_with("zh") { Self::Chinese } else { Self::English }
    }

    /// The one of two texts that is in this language.
    pub const fn choose<'text>(self, english: &'text str, chinese: &'text str) -> &'text str {
        match self {
            Self::English => english,
            Self::Chinese => chinese,
        }
    }
}

impl FromStr for Language {
    type Err = UnknownLanguage;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|language| language.as_str() == text).ok_or_else(|| UnknownLanguage(text.to_owned()))
    }
}

impl fmt::Display for Language {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// A text in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// In English.
    pub en: String,
    /// In simplified Chinese.
    pub zh: String,
}

impl Text {
    /// The text in `language`, without blanks around it.
    pub fn in_language(&self, language: Language) -> &str {
        language.choose(&self.en, &self.zh).trim()
    }
}

#[cfg(test)]
impl Text {
    /// Fails unless both languages are there, each in its own script and as whole sentences.
    pub(crate) fn check(&self, place: &str) {
        let is_chinese = |character: char| ('\u{4e00}'..='\u{9fff}').contains(&character);
        let (english, chinese) = (self.en.trim(), self.zh.trim());
        assert!(english.ends_with(['.', ':']) && !english.chars().any(is_chinese), "{place}: {english}");
        assert!(chinese.ends_with(['。', '：']) || !chinese.chars().any(is_chinese), "{place}: {chinese}");
        assert!(!chinese.is_empty() && !english.is_empty(), "{place}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locales_choose_the_language() {
        for (locale, language) in [
            ("zh_CN.UTF-8", Language::Chinese),
            ("zh", Language::Chinese),
            ("C.UTF-8", Language::English),
            ("de_DE", Language::English),
            ("", Language::English),
        ] {
            assert_eq!(Language::of_locale(locale), language, "{locale}");
        }
        assert!("fr".parse::<Language>().is_err());
        assert_eq!("zh".parse(), Ok(Language::Chinese));
    }
}
