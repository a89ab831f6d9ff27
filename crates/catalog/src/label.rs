//! The words before the parts of an explanation.

use crate::Language;

/// What a part of an explanation says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// The value here.
    Here,
    /// The program's own default.
    Default,
    /// Fields of the cluster file that decide.
    From,
    /// Why it is so.
    Why,
    /// What changing it does.
    Changing,
    /// Releases that have it.
    Releases,
    /// A flag of the same meaning.
    Flag,
    /// Where the facts come from.
    Source,
    /// What a stage waits for.
    Waits,
    /// What holds afterwards.
    Done,
    /// What a failure means.
    Failing,
    /// Who reads it.
    Readers,
    /// Permission bits.
    Mode,
    /// User and group.
    Owner,
    /// On which hosts it lies.
    Hosts,
    /// Its files.
    Files,
    /// Who signs it.
    SignedBy,
    /// Subject of a certificate.
    Subject,
    /// Names of a certificate.
    Names,
    /// What it may be used for.
    Usages,
    /// Days that it lasts.
    Days,
    /// What to do.
    Remedy,
    /// How bad it is.
    Severity,
    /// Protocol and port.
    Port,
    /// How far packets go.
    Scope,
    /// Which setting needs it.
    NeededBy,
    /// Type of a field.
    Type,
    /// Unit of a field.
    Unit,
    /// Versions that belong together.
    Companions,
    /// Whether barque deploys it.
    Deployable,
    /// Whose own help the flags were compared with.
    Compared,
    /// When support ends.
    SupportEnds,
    /// What to read on.
    See,
    /// Whether the user may set it.
    ExtraArgs,
}

impl Label {
    /// Its name in JSON.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Here => "here",
            Self::Default => "default",
            Self::From => "from",
            Self::Why => "why",
            Self::Changing => "changing",
            Self::Releases => "releases",
            Self::Flag => "flag",
            Self::Source => "source",
            Self::Waits => "waits",
            Self::Done => "done",
            Self::Failing => "failing",
            Self::Readers => "readers",
            Self::Mode => "mode",
            Self::Owner => "owner",
            Self::Hosts => "hosts",
            Self::Files => "files",
            Self::SignedBy => "signedBy",
            Self::Subject => "subject",
            Self::Names => "names",
            Self::Usages => "usages",
            Self::Days => "days",
            Self::Remedy => "remedy",
            Self::Severity => "severity",
            Self::Port => "port",
            Self::Scope => "scope",
            Self::NeededBy => "neededBy",
            Self::Type => "type",
            Self::Unit => "unit",
            Self::Companions => "companions",
            Self::Deployable => "deployable",
            Self::Compared => "compared",
            Self::SupportEnds => "supportEnds",
            Self::See => "see",
            Self::ExtraArgs => "extraArgs",
        }
    }

    /// Its word for people.
    pub const fn word(self, language: Language) -> &'static str {
        let (english, chinese) = match self {
            Self::Here => ("here", "当前值"),
            Self::Default => ("default", "默认值"),
            Self::From => ("decided by", "由其决定"),
            Self::Why => ("why", "原因"),
            Self::Changing => ("changing it", "修改影响"),
            Self::Releases => ("releases", "版本"),
            Self::Flag => ("flag", "对应参数"),
            Self::Source => ("source", "来源"),
            Self::Waits => ("waits for", "等待"),
            Self::Done => ("done when", "完成条件"),
            Self::Failing => ("if it fails", "失败时"),
            Self::Readers => ("read by", "读取者"),
            Self::Mode => ("mode", "权限"),
            Self::Owner => ("owner", "属主"),
            Self::Hosts => ("hosts", "主机"),
            Self::Files => ("files", "文件"),
            Self::SignedBy => ("signed by", "签发者"),
            Self::Subject => ("subject", "主体"),
            Self::Names => ("names", "名称"),
            Self::Usages => ("usages", "用途"),
            Self::Days => ("days", "有效天数"),
            Self::Remedy => ("remedy", "处理"),
            Self::Severity => ("severity", "严重程度"),
            Self::Port => ("port", "端口"),
            Self::Scope => ("scope", "范围"),
            Self::NeededBy => ("needed by", "需要者"),
            Self::Type => ("type", "类型"),
            Self::Unit => ("unit", "单位"),
            Self::Companions => ("goes with", "配套版本"),
            Self::Deployable => ("deployable", "可部署"),
            Self::Compared => ("compared", "已核对"),
            Self::SupportEnds => ("support ends", "支持截止"),
            Self::See => ("see", "参见"),
            Self::ExtraArgs => ("to set it", "自行设置"),
        };
        language.choose(english, chinese)
    }
}
