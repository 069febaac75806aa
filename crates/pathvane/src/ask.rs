//! The commands that ask a running speaker.

use std::fmt::Display;
use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use pathvane_speaker::control::client::{Client, Error, encode};
use pathvane_speaker::control::dto::{Done, Event, ExplainPrefix, Kind, Routes, Status};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::args::{EventsArgs, Question, RoutesArgs, Show};
use crate::{Exit, complain, text};

/// Every event that the speaker still has.
const WHOLE_RECORD: &str = "/v1/events?since=0&limit=1000000";

/// Asks, and prints the answer.
pub(crate) fn ask(socket: PathBuf, question: Question) -> Exit {
    let client = Client::new(socket);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let answered = match runtime {
        Ok(runtime) => runtime.block_on(answer(&client, question)),
        Err(error) => {
            complain(format!("no runtime can be made: {error}"), "");
            return Exit::Failed;
        }
    };
    match answered {
        Ok(()) => Exit::Done,
        Err(error) => {
            complain(&error, &error.remedy());
            match error {
                Error::Nobody { .. } => Exit::NoSpeaker,
                Error::Refused(_) | Error::Broken(_) => Exit::Failed,
            }
        }
    }
}

async fn answer(client: &Client, question: Question) -> Result<(), Error> {
    match question {
        Question::Show(show) => self::show(client, show).await,
        Question::Explain { target, json } => explain(client, &target, json).await,
        Question::Drain { wait, text } => drain(client, wait, &text).await,
        Question::Reload => command(client, "/v1/reload").await,
        Question::Freeze => command(client, "/v1/freeze").await,
        Question::Unfreeze => command(client, "/v1/unfreeze").await,
        Question::TakeOut { path } => {
            command(client, &format!("/v1/paths/{}/out", encode(&path))).await
        }
        Question::GiveBack { path } => {
            command(client, &format!("/v1/paths/{}/back", encode(&path))).await
        }
        Question::Refresh { peer, family } => {
            let family = family.map(|family| format!("?family={family}")).unwrap_or_default();
            command(client, &format!("/v1/peers/{}/refresh{family}", encode(&peer))).await
        }
        Question::Reset { peer, text } => {
            let (peer, text) = (encode(&peer), encode(&text));
            command(client, &format!("/v1/peers/{peer}/reset?text={text}")).await
        }
    }
}

async fn show(client: &Client, show: Show) -> Result<(), Error> {
    match show {
        Show::Status(out) => print(client, "/v1/status", out.json, text::status).await,
        Show::Peers(out) => print(client, "/v1/peers", out.json, listed(text::peers)).await,
        Show::Paths(out) => print(client, "/v1/paths", out.json, listed(text::paths)).await,
        Show::Probes(out) => print(client, "/v1/paths", out.json, listed(text::probes)).await,
        Show::Services(out) => {
            print(client, "/v1/services", out.json, listed(text::services)).await
        }
        Show::Bfd(out) => print(client, "/v1/bfd", out.json, listed(text::bfd)).await,
        Show::Routes(args) => routes(client, args).await,
        Show::Events(args) => events(client, args).await,
    }
}

/// Gets what is at `path` and prints it, as JSON or as `text` has it.
async fn print<T, D>(
    client: &Client,
    path: &str,
    json: bool,
    text: impl Fn(&T) -> D,
) -> Result<(), Error>
where
    T: DeserializeOwned + Serialize,
    D: Display,
{
    let answer: T = client.get(path).await?;
    if json {
        say(&pretty(&answer));
    } else {
        say(&text(&answer).to_string());
    }
    Ok(())
}

/// Lets a text of a list be made from an answer.
fn listed<T>(text: fn(&[T]) -> String) -> impl Fn(&Vec<T>) -> String {
    move |list| text(list)
}

async fn explain(client: &Client, target: &str, json: bool) -> Result<(), Error> {
    let prefix = target.parse::<IpNet>().ok();
    let prefix = prefix.or_else(|| target.parse::<IpAddr>().ok().map(IpNet::from));
    match prefix {
        Some(prefix) => {
            let path = format!("/v1/explain/prefix?prefix={}", encode(&prefix.to_string()));
            print::<ExplainPrefix, _>(client, &path, json, text::explain_prefix).await
        }
        None => explain_service(client, target, json).await,
    }
}

async fn explain_service(client: &Client, name: &str, json: bool) -> Result<(), Error> {
    let path = format!("/v1/explain/service/{}", encode(name));
    print(client, &path, json, text::explain_service).await?;
    if !json {
        let record: Vec<Event> = client.get(WHOLE_RECORD).await?;
        let moves = record.iter().rev().find(|event| match &event.kind {
            Kind::Move { service, .. } => service == name,
            _ => false,
        });
        say(&moves.map_or_else(
            || "\nThe record has no move of it.".to_owned(),
            |event| format!("\nIts last move:\n{}", text::event(event)),
        ));
    }
    Ok(())
}

/// All pages of a table, up to the limit.
async fn routes(client: &Client, args: RoutesArgs) -> Result<(), Error> {
    let mut path = format!("/v1/routes?table={}", args.table.word());
    if let Some(peer) = &args.peer {
        path += &format!("&peer={}", encode(peer));
    }
    if let Some(prefix) = &args.prefix {
        path += &format!("&prefix={}", encode(&prefix.to_string()));
    }
    let mut all = Routes { routes: Vec::new(), cursor: None };
    loop {
        let left = args.limit - all.routes.len();
        let cursor = all.cursor.take().map(|cursor| format!("&cursor={cursor}"));
        let query = format!("{path}&limit={left}{}", cursor.unwrap_or_default());
        let page: Routes = client.get(&query).await?;
        all.routes.extend(page.routes);
        all.cursor = page.cursor;
        if all.cursor.is_none() || all.routes.len() >= args.limit {
            break;
        }
    }
    say(&if args.json { pretty(&all) } else { text::routes(&all) });
    Ok(())
}

async fn events(client: &Client, args: EventsArgs) -> Result<(), Error> {
    let since = match args.since {
        Some(since) => since,
        None => client.get::<Status>("/v1/status").await?.last_event.saturating_sub(args.limit),
    };
    if args.follow {
        let mut stream = client.events(Some(since)).await?;
        while let Some(event) = stream.next().await? {
            say(&if args.json { line(&event) } else { text::event(&event) });
        }
        return Ok(());
    }
    let path = format!("/v1/events?since={since}&limit={}", u32::MAX);
    let events: Vec<Event> = client.get(&path).await?;
    if args.json {
        say(&pretty(&events));
    } else {
        events.iter().for_each(|event| say(&text::event(event)));
    }
    Ok(())
}

async fn command(client: &Client, path: &str) -> Result<(), Error> {
    let done: Done = client.post(path).await?;
    say(&done.done);
    Ok(())
}

async fn drain(client: &Client, wait: bool, text: &str) -> Result<(), Error> {
    let mut stream = client.events(None).await?;
    command(client, &format!("/v1/drain?text={}", encode(text))).await?;
    if !wait {
        return Ok(());
    }
    while let Some(event) = stream.next().await? {
        say(&text::event(&event));
    }
    say("the speaker has left");
    Ok(())
}

fn pretty(answer: &impl Serialize) -> String {
    serde_json::to_string_pretty(answer).unwrap_or_default()
}

fn line(answer: &impl Serialize) -> String {
    serde_json::to_string(answer).unwrap_or_default()
}

/// Prints a line or more; ends quietly if whoever reads has enough (`| head`).
fn say(text: &str) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    if writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}
