//! Records of programs' own `--help`: what flags a release has.

mod build;
mod help;
mod record;

pub(crate) use record::run;
