//! All printing: data on standard output, talk on standard error.
//!
//! What comes from a database may hold anything. Tables and reports pass it through [`text::printable`], so that an
//! error message cannot drive the reader's terminal; JSON escapes it by itself.

mod table;
pub(crate) mod text;

pub(crate) use table::{Align, Cell, Table, fields};

use crate::failure::{Failure, Result};
use crate::settings::ColorWhen;
use anstream::{AutoStream, ColorChoice};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ream::FieldError;
use serde::Serialize;
use std::fmt::Display;
use std::io::{BufWriter, IsTerminal, Stdout, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How something is shown where colours are on. Everything reads the same without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paint {
    /// Good news.
    Green,
    /// Work under way.
    Cyan,
    /// Needs a look.
    Yellow,
    /// Bad news.
    Red,
    /// Headings.
    Bold,
}

impl Paint {
    const fn code(self) -> &'static str {
        match self {
            Self::Green => "32",
            Self::Cyan => "36",
            Self::Yellow => "33",
            Self::Red => "31",
            Self::Bold => "1",
        }
    }
}

/// A failure in JSON.
#[derive(Serialize)]
struct Problem<'a> {
    code: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
    #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
    errors: &'a [FieldError],
}

/// The one printer.
pub(crate) struct Output {
    stdout: Mutex<BufWriter<Stdout>>,
    json: bool,
    quiet: bool,
    stdout_color: bool,
    stderr_color: bool,
}

impl Output {
    pub(crate) fn new(json: bool, quiet: bool, color: ColorWhen) -> Self {
        let mut output = Self {
            stdout: Mutex::new(BufWriter::new(std::io::stdout())),
            json,
            quiet,
            stdout_color: false,
            stderr_color: false,
        };
        output.set_color(color);
        output
    }

    /// Colours are known for sure only after the settings were read.
    pub(crate) fn set_color(&mut self, color: ColorWhen) {
        let on = |auto: ColorChoice| match color {
            ColorWhen::Always => true,
            ColorWhen::Never => false,
            // Looks at NO_COLOR, TERM and whether it is a terminal.
            ColorWhen::Auto => auto != ColorChoice::Never,
        };
        self.stdout_color = on(AutoStream::choice(&std::io::stdout()));
        self.stderr_color = on(AutoStream::choice(&std::io::stderr()));
    }

    /// Whether data is wanted as JSON.
    pub(crate) const fn is_json(&self) -> bool {
        self.json
    }

    /// Whether standard error takes colours.
    pub(crate) const fn stderr_color(&self) -> bool {
        self.stderr_color
    }

    fn stdout(&self) -> MutexGuard<'_, BufWriter<Stdout>> {
        // A poisoned lock only says that another thread panicked; half a line does no further harm.
        self.stdout.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One line of data.
    pub(crate) fn line(&self, line: impl Display) -> Result<()> {
        Ok(writeln!(self.stdout(), "{line}")?)
    }

    /// One JSON document on a line of its own.
    pub(crate) fn document(&self, document: &impl Serialize) -> Result<()> {
        let mut stdout = self.stdout();
        serde_json::to_writer(&mut *stdout, document).map_err(std::io::Error::from)?;
        Ok(writeln!(stdout)?)
    }

    /// Data as it is: completion scripts.
    pub(crate) fn raw(&self, bytes: &[u8]) -> Result<()> {
        Ok(self.stdout().write_all(bytes)?)
    }

    /// Brings out what is buffered: before waiting for something, and at the end.
    pub(crate) fn flush(&self) -> Result<()> {
        Ok(self.stdout().flush()?)
    }

    /// Colours for data.
    pub(crate) fn paint(&self, paint: Paint, text: impl Display) -> String {
        painted(self.stdout_color, paint, text)
    }

    /// Talk: what was done, what else to know. Silent with `--quiet`.
    pub(crate) fn note(&self, note: impl Display) {
        if !self.quiet {
            self.stderr_line(&note.to_string());
        }
    }

    /// What to do next. Silent with `--quiet`.
    pub(crate) fn hint(&self, hint: impl Display) {
        self.note(format_args!("\n{} {hint}", painted(self.stderr_color, Paint::Cyan, "hint:")));
    }

    /// Something is wrong, though the command went on.
    pub(crate) fn warning(&self, warning: impl Display) {
        self.note(format_args!("{} {warning}", painted(self.stderr_color, Paint::Yellow, "warning:")));
    }

    /// Tells where the next page begins.
    pub(crate) fn next_page(&self, cursor: Option<ream::Cursor>) {
        match cursor {
            Some(next) if self.json => self.note(serde_json::json!({"next": next.to_string()})),
            Some(next) => {
                self.note(format_args!(
                    "more follow: `--cursor {next}` shows the next page, `--all` everything"
                ));
            }
            None => {}
        }
    }

    /// Why the command failed: a document with `--json`, else an error and a hint.
    pub(crate) fn failure(&self, failure: &Failure) {
        // What was already said comes first; if nobody reads it, that is not worth another error.
        let _ = self.flush();
        if failure.message.is_empty() {
            return;
        }
        if self.json {
            let problem = Problem {
                code: failure.code,
                message: &failure.message,
                hint: failure.hint.as_deref(),
                errors: &failure.errors,
            };
            // Texts and lists of texts always have a form in JSON.
            self.stderr_line(&serde_json::to_string(&problem).unwrap_or_default());
            return;
        }
        let error = painted(self.stderr_color, Paint::Red, "error:");
        self.stderr_line(&format!("{error} {}", text::printable_lines(&failure.message)));
        if let Some(hint) = &failure.hint {
            let label = painted(self.stderr_color, Paint::Cyan, "hint:");
            self.stderr_line(&format!("\n{label} {}", text::printable_lines(hint)));
        }
    }

    /// Help and version go to standard output, complaints of the parser to standard error.
    pub(crate) fn parser_says(&self, error: &clap::Error) {
        let styled = error.render();
        if !error.use_stderr() {
            let shown = if self.stdout_color { styled.ansi().to_string() } else { styled.to_string() };
            let _ = self.raw(shown.as_bytes()).and_then(|()| self.flush());
        } else if self.json {
            self.failure(&from_parser(&styled.to_string()));
        } else {
            let shown = if self.stderr_color { styled.ansi().to_string() } else { styled.to_string() };
            self.stderr_line(shown.trim_end());
        }
    }

    fn stderr_line(&self, line: &str) {
        // When standard error is gone there is nobody left to tell.
        let _ = writeln!(std::io::stderr().lock(), "{line}");
    }

    /// Whether a question can be asked and answered.
    pub(crate) fn can_ask(&self) -> bool {
        !self.json && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }

    /// Asks a question whose default is no; [`read_yes`] reads the answer.
    pub(crate) fn prompt(&self, question: &str) -> Result<()> {
        self.flush()?;
        let _ = write!(std::io::stderr().lock(), "{question} [y/N] ");
        Ok(())
    }

    /// A bar on standard error; hidden where that is no terminal, with `--quiet` and with `--json`.
    pub(crate) fn bar(&self, chunks: u64) -> ProgressBar {
        let bar = ProgressBar::with_draw_target(Some(chunks), self.bar_target());
        let template = "{bar:30} {percent:>3}% {human_pos}/{human_len} chunks  {msg}";
        // The template is a constant; if it were wrong, the default bar would do as well.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("━╸─"));
        }
        bar
    }

    /// A bar over bytes, hidden where the other is.
    pub(crate) fn bytes_bar(&self, doing: String) -> ProgressBar {
        let bar = ProgressBar::with_draw_target(Some(0), self.bar_target()).with_message(doing);
        let template = "{bar:30} {percent:>3}% {bytes}/{total_bytes} {bytes_per_sec}, {eta} left  {msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("━╸─"));
        }
        bar
    }

    /// A spinner for what takes long without telling how far it is; hidden where a bar is.
    pub(crate) fn spinner(&self, doing: String) -> ProgressBar {
        let spinner = ProgressBar::with_draw_target(None, self.bar_target()).with_message(doing);
        spinner.enable_steady_tick(Duration::from_millis(100));
        spinner
    }

    fn bar_target(&self) -> ProgressDrawTarget {
        if self.quiet || self.json { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() }
    }
}

/// The parser's complaint: a first paragraph with what is wrong, then tips, the usage, and where there is more help.
fn from_parser(plain: &str) -> Failure {
    let mut paragraphs =
        plain.split("\n\n").map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
    let failure = Failure::usage(paragraphs.next().unwrap_or_default().trim_start_matches("error: "));
    match paragraphs.find_map(|text| text.strip_prefix("tip: ").map(str::to_owned)) {
        Some(tip) => failure.hint(tip),
        None => failure,
    }
}

/// Whether the next line of standard input says yes. Blocks until it is there.
pub(crate) fn read_yes() -> std::io::Result<bool> {
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(text::is_yes(&answer))
}

fn painted(on: bool, paint: Paint, text: impl Display) -> String {
    if on { format!("\x1b[{}m{text}\x1b[0m", paint.code()) } else { text.to_string() }
}
