//! Replays the console blocks of a document, in their order, in one shell.

use serde_json::Value;

use crate::{
    markdown::{Block, blocks, text},
    shell::{Program, Shell},
    tokens::Names,
};

/// A command of a block, and the lines that the document shows after it.
struct Step {
    command: String,
    output: Vec<String>,
}

/// A command whose documented output differs from the actual one.
pub(crate) struct Difference {
    pub(crate) command: String,
    pub(crate) documented: Vec<String>,
    pub(crate) actual: Vec<String>,
}

/// Replays the document, and returns it with the outputs of this run where they differ.
pub(crate) fn replay(document: &str) -> (String, Vec<Difference>) {
    let mut lines: Vec<String> = document.lines().map(str::to_owned).collect();
    let mut differences = Vec::new();
    let mut session = Session { shell: Shell::start(), names: Names::default() };
    let mut replaced = Vec::new();
    for block in blocks(document) {
        if let Some(file) = block.directive("file") {
            session.shell.write(file, &session.names.actual(&block.text));
        }
        if block.language == "console" {
            let text = session.block(&block, &mut differences);
            replaced.push((block.lines, text));
        }
    }
    for (range, text) in replaced.into_iter().rev() {
        lines.splice(range, text);
    }
    (text(&lines), differences)
}

struct Session {
    shell: Shell,
    names: Names,
}

impl Session {
    fn block(&mut self, block: &Block, differences: &mut Vec<Difference>) -> Vec<String> {
        let mut text = Vec::new();
        for step in steps(&block.text) {
            text.extend(format!("$ {}", step.command).lines().map(str::to_owned));
            let command = self.names.actual(&step.command);
            let actual = match self.shell.start_program(&command) {
                Some(program) => self.started(&program, &step.output),
                None => self.shell.run(&command),
            };
            if self.matches(&step.output, &actual) {
                text.extend(step.output);
                continue;
            }
            let documented: Vec<String> =
                actual.iter().map(|line| self.names.documented(line)).collect();
            text.extend(documented.clone());
            differences.push(Difference {
                command: step.command,
                documented: step.output,
                actual: documented,
            });
        }
        text
    }

    /// Waits until the program is ready, and records its addresses.
    fn started(&mut self, program: &Program, documented: &[String]) -> Vec<String> {
        let (stdout, serving) = program.wait(|stdout, stderr| {
            let line = stderr.iter().find(|line| line.contains("\"serving\""));
            let is_gateway = stderr.iter().any(|line| line.contains("ivs_ingest_gateway"));
            let is_ready = if is_gateway { line.is_some() } else { !stdout.is_empty() };
            let serving = line.map(|line| serde_json::from_str::<Value>(line).unwrap());
            (is_ready && stdout.len() >= documented.len()).then(|| (stdout.to_vec(), serving))
        });
        if let Some(serving) = serving {
            for (key, documented) in
                [("listen", "127.0.0.1:50051"), ("admin_listen", "127.0.0.1:9090")]
            {
                self.names.set(documented, serving[key].as_str().unwrap());
            }
        }
        let begin = stdout.iter().position(|line| !line.is_empty()).unwrap_or(0);
        stdout[begin..].to_vec()
    }

    /// Whether the output is the documented one. A line `...` stands for any lines.
    fn matches(&mut self, documented: &[String], actual: &[String]) -> bool {
        let mut actual = actual.iter().peekable();
        let mut skips = false;
        for line in documented {
            if line == "..." {
                skips = true;
                continue;
            }
            loop {
                let Some(found) = actual.next() else { return false };
                if self.names.match_line(line, found) {
                    break;
                }
                if !skips {
                    return false;
                }
            }
            skips = false;
        }
        skips || actual.peek().is_none()
    }
}

fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut is_open = false;
    for line in text.lines() {
        let step = steps.last_mut();
        match (line.strip_prefix("$ "), step) {
            (_, Some(step)) if is_open => {
                step.command += "\n";
                step.command += line;
                is_open = !is_complete(&step.command);
            }
            (Some(command), _) => {
                steps.push(Step { command: command.to_owned(), output: Vec::new() });
                is_open = !is_complete(command);
            }
            (None, step) => step.expect("a command").output.push(line.to_owned()),
        }
    }
    steps
}

/// Whether the command is complete, so that a shell would run it and read no further line.
fn is_complete(command: &str) -> bool {
    let mut quote = None;
    let mut characters = command.chars();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (Some('\''), '\'') | (Some('"'), '"') => quote = None,
            (None, '\'' | '"') => quote = Some(character),
            (None | Some('"'), '\\') => {
                let escaped = characters.next();
                if escaped.is_none_or(|escaped| escaped == '\n') && characters.as_str().is_empty() {
                    return false;
                }
            }
            _ => {}
        }
    }
    quote.is_none() && !command.trim_end().ends_with('|')
}
