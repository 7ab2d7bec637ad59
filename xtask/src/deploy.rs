//! `deploy`: a package becomes a stack on AWS. The AWS CLI does the talking.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::process::{describe, on_path, run_watched};
use crate::steps::Steps;
use crate::tally::Tally;
use crate::{package, paths, python};

/// The longest name of a stack: `NAME-sources-ACCOUNT-REGION` is a bucket's name, which has 63
/// characters at most ("Bucket naming rules"), 12 of them for the account and up to 14 for the
/// region.
const LONGEST_NAME: usize = 63 - "-sources-".len() - 12 - 1 - 14;

/// For files with a hash of their content in their name.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// For all others: browsers and CloudFront ask each time whether there is a newer one.
const ASK_AGAIN: &str = "no-cache";

/// What to deploy, and where.
pub(crate) struct Options {
    /// The stack's name.
    pub(crate) stack: String,
    /// The region; that of the AWS CLI's configuration without.
    pub(crate) region: Option<String>,
    /// Whether people sign in; as it was before without.
    pub(crate) sign_in: Option<bool>,
    /// Parameters of the template, `NAME=VALUE`; as they were before where they are not named.
    pub(crate) parameters: Vec<(String, String)>,
    /// A package that is there; one is made without.
    pub(crate) package: Option<PathBuf>,
}

/// Deploys.
pub(crate) fn run(options: &Options) -> Result<u8> {
    check_name(&options.stack)?;
    // Before a package is made, which takes its time.
    let aws = Aws::find(options.region.clone())?;
    println!("Deploying to account {} in {}", aws.account, aws.region);
    let package = if let Some(package) = &options.package {
        package.clone()
    } else {
        let out = package::default_out();
        package::run(&package::Options {
            out: out.clone(),
            try_out: false,
        })?;
        out
    };
    let template = read_json(&package.join("template.json"))?;
    let parameters = parameters(&aws, options, &template);

    let code = format!("{}-code-{}-{}", options.stack, aws.account, aws.region);
    make_code_bucket(&aws, &code)?;
    for function in functions(&package)? {
        println!("Uploading {}", function.name);
        aws.quiet(&[
            "s3",
            "cp",
            "--only-show-errors",
            &in_words(&package.join(&function.name))?,
            &format!("s3://{code}/{}", function.key),
        ])?;
    }

    println!("Making the stack {} what it should be", options.stack);
    let mut arguments = vec![
        "cloudformation".to_owned(),
        "deploy".to_owned(),
        "--stack-name".to_owned(),
        options.stack.clone(),
        "--template-file".to_owned(),
        in_words(&package.join("template.json"))?,
        // It is larger than what a request of CloudFormation holds.
        "--s3-bucket".to_owned(),
        code.clone(),
        "--s3-prefix".to_owned(),
        "templates".to_owned(),
        "--capabilities".to_owned(),
        "CAPABILITY_IAM".to_owned(),
        "--no-fail-on-empty-changeset".to_owned(),
        "--parameter-overrides".to_owned(),
        format!("CodeBucket={code}"),
    ];
    arguments.extend(
        parameters
            .iter()
            .map(|(name, value)| format!("{name}={value}")),
    );
    if !aws.shown(&arguments)? {
        bail!(
            "the stack could not be deployed.\n{}",
            why(&aws, &options.stack)
        );
    }

    let outputs = outputs(&aws, &options.stack)?;
    let output = |name: &str| {
        outputs
            .get(name)
            .map(String::as_str)
            .with_context(|| format!("the stack has no output {name}"))
    };
    upload_page(
        &aws,
        &package.join("page"),
        output("SiteBucket")?,
        &config(&outputs)?,
    )?;
    aws.quiet(&[
        "cloudfront",
        "create-invalidation",
        "--distribution-id",
        output("PageDistribution")?,
        "--paths",
        "/*",
    ])?;
    if !outputs.contains_key("SignInUrl") {
        println!(
            "\nNobody has to sign in: whoever knows the address translates at your cost, and sees \
             what others translate. `--sign-in` changes that."
        );
    }
    println!(
        "\nBabelwire is deployed: {}\nA new distribution takes some minutes until it is known \
         everywhere.",
        output("PageUrl")?
    );
    Ok(0)
}

/// Tests what the template would make and what this program tells AWS, with a stand-in of the AWS
/// CLI, and with the real one before a fake of AWS (moto).
pub(crate) fn test(more: &[OsString]) -> Result<Tally> {
    let here = paths::root().join("deploy").join("tests");
    let venv = Steps::new(1).step("Preparing cfn-lint, moto and the AWS CLI", || {
        python::venv("venv-deploy", &here.join("requirements.txt"))
    })?;
    let own = std::env::current_exe().context("cannot find this program")?;
    let mut tally = Tally::default();
    let status = run_watched(
        Command::new(venv.join("bin").join("pytest"))
            .args(["-p", "no:cacheprovider", "--color=no", "-v"])
            .arg(&here)
            .args(more)
            .env("BABELWIRE_XTASK", own)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .current_dir(&here),
        |line| tally += Tally::of_pytest_line(line),
    )?;
    Ok(tally.with_exit(status.success()))
}

/// The AWS CLI, which found credentials.
struct Aws {
    program: PathBuf,
    account: String,
    region: String,
}

impl Aws {
    fn find(region: Option<String>) -> Result<Self> {
        let program = on_path("aws").context(
            "there is no AWS CLI (`aws`) on PATH. Install it (Debian's package is `awscli`, others \
             are under \"Installing the AWS CLI\" in its user guide) and try again",
        )?;
        let mut aws = Self {
            program,
            account: String::new(),
            region: region.unwrap_or_default(),
        };
        if aws.region.is_empty() {
            aws.region = ["AWS_REGION", "AWS_DEFAULT_REGION"]
                .into_iter()
                .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
                .or_else(|| aws.read(&["configure", "get", "region"]).ok())
                .map(|region| region.trim().to_owned())
                .filter(|region| !region.is_empty())
                .context(
                    "it is not said where to deploy: name a region with --region, such as \
                     eu-central-1, or run `aws configure`",
                )?;
        }
        let identity = aws.json(&["sts", "get-caller-identity"]).context(
            "AWS does not know you. Give the AWS CLI credentials (`aws configure`, `aws sso \
                 login`, or AWS_PROFILE), see that `aws sts get-caller-identity` answers, and try \
                 again",
        )?;
        identity
            .get("Account")
            .and_then(Value::as_str)
            .context("`aws sts get-caller-identity` named no account")?
            .clone_into(&mut aws.account);
        Ok(aws)
    }

    fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            // It would wait for somebody to leave it.
            .env("AWS_PAGER", "");
        if !self.region.is_empty() {
            command.args(["--region", &self.region]);
        }
        command
    }

    /// What a call prints.
    fn read(&self, arguments: &[&str]) -> Result<String> {
        let mut command = self.command(arguments);
        let output = command
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("cannot run `{}`", describe(&command)))?;
        ensure!(
            output.status.success(),
            "`{}` failed: {}",
            describe(&command),
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn json(&self, arguments: &[&str]) -> Result<Value> {
        let arguments = [arguments, &["--output", "json"]].concat();
        let text = self.read(&arguments)?;
        serde_json::from_str(&text)
            .with_context(|| format!("`aws {}` did not answer with JSON", arguments.join(" ")))
    }

    fn quiet(&self, arguments: &[&str]) -> Result<()> {
        self.read(arguments).map(|_| ())
    }

    /// Runs a call with its output shown, and says whether it succeeded.
    fn shown(&self, arguments: &[String]) -> Result<bool> {
        Ok(run_watched(&mut self.command(arguments), |_| {})?.success())
    }
}

fn check_name(stack: &str) -> Result<()> {
    let is_name = stack.starts_with(|c: char| c.is_ascii_lowercase())
        && !stack.ends_with('-')
        && stack.len() <= LONGEST_NAME
        && stack
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    ensure!(
        is_name,
        "`{stack}` cannot be a stack's name here: it is part of the buckets' names, so it takes \
         lower-case letters, digits and hyphens, begins with a letter, and has {LONGEST_NAME} \
         characters at most"
    );
    Ok(())
}

/// What the template is told beyond its defaults.
fn parameters(aws: &Aws, options: &Options, template: &Value) -> BTreeMap<String, String> {
    let mut parameters = BTreeMap::new();
    if let Some(sign_in) = options.sign_in {
        let value = if sign_in { "cognito" } else { "none" };
        parameters.insert("SignIn".to_owned(), value.to_owned());
    }
    // API Gateway writes logs of a WebSocket only with a role that the account gave it once for all
    // APIs of a region. Without the right to ask there are none.
    match aws.json(&["apigateway", "get-account"]) {
        Ok(account) => {
            let has_role = account
                .get("cloudwatchRoleArn")
                .and_then(Value::as_str)
                .is_some_and(|role| !role.is_empty());
            let value = if has_role { "on" } else { "on-with-role" };
            parameters.insert("WebSocketLogs".to_owned(), value.to_owned());
        }
        Err(error) => println!("The WebSocket will have no access log. {error:#}"),
    }
    parameters.extend(options.parameters.iter().cloned());
    // `aws cloudformation deploy` passes over what the template does not have.
    for name in parameters.keys() {
        if template.pointer(&format!("/Parameters/{name}")).is_none() {
            println!("There is no parameter {name}: deploy/README.md lists them.");
        }
    }
    parameters
}

/// A bucket for the functions' zips and the template, in the stack's region, which no stack owns:
/// it has to be there before there is one.
fn make_code_bucket(aws: &Aws, bucket: &str) -> Result<()> {
    let head = [
        "s3api",
        "head-bucket",
        "--bucket",
        bucket,
        "--expected-bucket-owner",
        &aws.account,
    ];
    if aws.quiet(&head).is_ok() {
        return Ok(());
    }
    println!("Making the bucket {bucket}");
    let place = format!("LocationConstraint={}", aws.region);
    let mut create = vec!["s3api", "create-bucket", "--bucket", bucket];
    // The first region of all is the one that must not be named.
    if aws.region != "us-east-1" {
        create.extend(["--create-bucket-configuration", &place]);
    }
    aws.quiet(&create)?;
    aws.quiet(&[
        "s3api",
        "put-public-access-block",
        "--bucket",
        bucket,
        "--public-access-block-configuration",
        "BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true",
    ])
}

/// A function's zip: its name in the package, and its key in the bucket.
struct Function {
    name: String,
    key: String,
}

fn functions(package: &Path) -> Result<Vec<Function>> {
    let contents = read_json(&package.join("contents.json"))?;
    let functions: Vec<_> = contents
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let text = |name| entry.get(name).and_then(Value::as_str).map(str::to_owned);
            Some(Function {
                name: text("name")?,
                key: text("key")?,
            })
        })
        .collect();
    ensure!(
        functions.len() == package::FUNCTIONS.len(),
        "{} is no whole package: `cargo xtask package` makes one",
        package.display()
    );
    Ok(functions)
}

/// What went wrong with a stack.
fn why(aws: &Aws, stack: &str) -> String {
    let query =
        "StackEvents[?contains(ResourceStatus,'FAILED')].[LogicalResourceId,ResourceStatusReason]";
    aws.read(&[
        "cloudformation",
        "describe-stack-events",
        "--stack-name",
        stack,
        "--query",
        query,
        "--output",
        "text",
    ])
    .map_or_else(
        |error| format!("{error:#}"),
        |events| format!("What failed, the newest first:\n{}", events.trim_end()),
    )
}

fn outputs(aws: &Aws, stack: &str) -> Result<BTreeMap<String, String>> {
    let described = aws.json(&["cloudformation", "describe-stacks", "--stack-name", stack])?;
    let outputs = described
        .pointer("/Stacks/0/Outputs")
        .and_then(Value::as_array)
        .context("the stack has no outputs")?;
    Ok(outputs
        .iter()
        .filter_map(|output| {
            let text = |name| output.get(name).and_then(Value::as_str).map(str::to_owned);
            Some((text("OutputKey")?, text("OutputValue")?))
        })
        .collect())
}

/// The page's `config.json`.
fn config(outputs: &BTreeMap<String, String>) -> Result<Value> {
    let output = |name: &str| {
        outputs
            .get(name)
            .with_context(|| format!("the stack has no output {name}"))
    };
    let mut config = json!({ "websocketUrl": output("WebSocketUrl")?, "apiUrl": "api" });
    if let Some(url) = outputs.get("SignInUrl") {
        let (client, page) = (output("SignInClientId")?, output("PageUrl")?);
        let page: String = page.bytes().map(encoded).collect();
        config["signIn"] = json!({
            "authorizeUrl": format!("{url}/oauth2/authorize"),
            "tokenUrl": format!("{url}/oauth2/token"),
            "clientId": client,
            "scope": "openid",
            "logoutUrl": format!("{url}/logout?client_id={client}&logout_uri={page}"),
        });
    }
    Ok(config)
}

/// A byte of a query's value (RFC 3986, section 2.3).
fn encoded(byte: u8) -> String {
    match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    }
}

/// A file of the page on its way to the bucket.
#[derive(Debug, PartialEq, Eq)]
struct Upload {
    file: PathBuf,
    /// Its path below the page.
    key: String,
    content_type: &'static str,
    cache_control: &'static str,
    is_brotli: bool,
}

/// Uploads the page so that it works at every moment: what others name comes before what names it.
/// What older pages name stays where it is.
fn upload_page(aws: &Aws, page: &Path, bucket: &str, config: &Value) -> Result<()> {
    let (mut index, others): (Vec<_>, Vec<_>) = uploads(page)?
        .into_iter()
        .partition(|upload| upload.key.starts_with("index.html"));
    ensure!(
        index.len() == 2,
        "{} holds no page: `cargo xtask package` makes one",
        page.display()
    );
    let file = paths::work().join("config.json");
    fs::create_dir_all(paths::work())?;
    fs::write(&file, format!("{config:#}\n"))
        .with_context(|| format!("cannot write {}", file.display()))?;
    index.insert(
        0,
        Upload {
            file,
            key: "config.json".to_owned(),
            content_type: "application/json",
            cache_control: ASK_AGAIN,
            is_brotli: false,
        },
    );
    println!("Uploading the page: {} files", others.len() + index.len());
    for upload in others.iter().chain(&index) {
        let (file, to) = (
            in_words(&upload.file)?,
            format!("s3://{bucket}/{}", upload.key),
        );
        let mut arguments = vec![
            "s3",
            "cp",
            "--only-show-errors",
            &file,
            &to,
            "--content-type",
            upload.content_type,
            "--cache-control",
            upload.cache_control,
        ];
        if upload.is_brotli {
            arguments.extend(["--content-encoding", "br"]);
        }
        aws.quiet(&arguments)?;
    }
    Ok(())
}

/// The page's files and their compressed copies, those with a hash in their name first.
fn uploads(page: &Path) -> Result<Vec<Upload>> {
    let mut uploads = Vec::new();
    let mut folders = vec![page.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in
            fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?
        {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let key = path
                .strip_prefix(page)
                .unwrap_or(&path)
                .components()
                .map(|part| part.as_os_str().to_string_lossy())
                .collect::<Vec<_>>()
                .join("/");
            let plain = key.strip_suffix(".br").unwrap_or(&key);
            uploads.push(Upload {
                content_type: content_type(plain)?,
                cache_control: if is_hashed(plain) {
                    FOR_EVER
                } else {
                    ASK_AGAIN
                },
                is_brotli: plain != key,
                file: path,
                key,
            });
        }
    }
    uploads.sort_by_key(|upload| (upload.cache_control != FOR_EVER, upload.key.clone()));
    Ok(uploads)
}

/// What a file is, by its name. A browser takes nothing else for it (`nosniff`), so one that is not
/// known here is an error and no guess.
fn content_type(name: &str) -> Result<&'static str> {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    Ok(match extension {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "json" => "application/json",
        "svg" => "image/svg+xml",
        "txt" => "text/plain; charset=utf-8",
        "wasm" => "application/wasm",
        "webmanifest" => "application/manifest+json",
        _ => bail!("the page has a file {name} of a kind that is new to xtask/src/deploy.rs"),
    })
}

/// Whether a file's name carries the hash of its content, as the build gives it:
/// `NAME-0123456789abcdef.js`, `NAME-0123456789abcdef_bg.wasm`.
fn is_hashed(name: &str) -> bool {
    let name = name.rsplit('/').next().unwrap_or(name);
    let Some((_, rest)) = name.rsplit_once('-') else {
        return false;
    };
    let Some((hash, _)) = rest.split_once('.') else {
        return false;
    };
    let hash = hash.strip_suffix("_bg").unwrap_or(hash);
    hash.len() == 16
        && hash
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn read_json(path: &Path) -> Result<Value> {
    let text = fs::read(path).with_context(|| {
        format!(
            "cannot read {}: `cargo xtask package` makes a package",
            path.display()
        )
    })?;
    serde_json::from_slice(&text).with_context(|| format!("{} is not JSON", path.display()))
}

fn in_words(path: &Path) -> Result<String> {
    path.to_str()
        .map(str::to_owned)
        .with_context(|| format!("{} cannot be given to the AWS CLI", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_with_a_hash_are_kept_for_ever() {
        assert!(is_hashed("babelwire-c8d31468cdb58368_bg.wasm"));
        assert!(is_hashed("desk-d4ee5133417d565a.css"));
        assert!(is_hashed("chunk_3-355e984f9f8858bc.wasm"));
        for name in [
            "index.html",
            "sw.js",
            "locales/de.json",
            "encodings.txt",
            "a-deadbeef.js",
            "c8d31468cdb58368.js",
        ] {
            assert!(!is_hashed(name), "{name}");
        }
    }

    #[test]
    fn a_stack_s_name_fits_the_longest_name_of_a_bucket() {
        let longest = "b".repeat(LONGEST_NAME);
        assert!(check_name(&longest).is_ok());
        let bucket = format!("{longest}-sources-123456789012-ap-southeast-1");
        assert_eq!(bucket.len(), 63);
        for name in [
            "",
            "Babelwire",
            "1st",
            "babel_wire",
            "babelwire-",
            &format!("{longest}b"),
        ] {
            let error = check_name(name).unwrap_err().to_string();
            assert!(error.contains("lower-case"), "{error}");
        }
    }

    #[test]
    fn a_file_of_an_unknown_kind_stops_the_upload() {
        assert_eq!(content_type("a_bg.wasm").unwrap(), "application/wasm");
        assert!(content_type("movie.webm").is_err());
        assert!(content_type("LICENSE").is_err());
    }

    #[test]
    fn the_page_is_told_where_to_sign_in_only_where_one_can() {
        let outputs = |more: &[(&str, &str)]| {
            let all = [
                ("WebSocketUrl", "wss://a.example/live"),
                ("PageUrl", "https://p.example/"),
            ];
            all.iter()
                .chain(more)
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect::<BTreeMap<_, _>>()
        };
        assert_eq!(
            config(&outputs(&[])).unwrap(),
            json!({"websocketUrl": "wss://a.example/live", "apiUrl": "api"})
        );
        let sign_in = [("SignInUrl", "https://s.example"), ("SignInClientId", "c1")];
        assert_eq!(
            config(&outputs(&sign_in)).unwrap()["signIn"],
            json!({
                "authorizeUrl": "https://s.example/oauth2/authorize",
                "tokenUrl": "https://s.example/oauth2/token",
                "clientId": "c1",
                "scope": "openid",
                "logoutUrl":
                    "https://s.example/logout?client_id=c1&logout_uri=https%3A%2F%2Fp.example%2F",
            })
        );
        assert!(config(&outputs(&sign_in[..1])).is_err());
    }
}
