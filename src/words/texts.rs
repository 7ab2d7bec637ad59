//! Every text of the page in English, and its name.
//!
//! What a first visit shows is in `front`; the English of all else, in `desk`, is fetched with the
//! desk.
//!
//! To add one: write it into the section of its topic, then give it to each file in `locales/`
//! (`UPDATE_LOCALES=1 cargo test -p babelwire locale` puts an empty text where one is missing, and
//! the tests tell what is still to be translated).
//!
//! - `{0}`, `{1}` are what [`fill`](super::fill) puts there.
//! - A text for [`plural`](super::plural) has its forms separated by `|`, in English for one and
//!   for any other number; `{0}` is the number.
//! - Names that the protocol's readers find things by are fixed in English: they must stay as they
//!   are.

/// Declares the enum and its English.
macro_rules! texts {
    (front { $($name:ident = $english:literal,)+ } desk { $($late:ident = $more:literal,)+ }) => {
        /// A text for people; [`say`](super::say) has it in the language of the page.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u16)]
        #[allow(clippy::doc_markdown, reason = "texts for people, in no markup")]
        pub enum Text {
            $(#[doc = concat!("`", $english, "`")] $name,)+
            $(#[doc = concat!("`", $more, "`")] $late,)+
        }

        /// The English texts of a first visit in the order of the enum, each with [`END`] after it.
        /// One literal: a table of them would be eight bytes for each text more.
        pub(super) const ENGLISH: &str = concat!($($english, "\n"),+);

        /// Those that come after them.
        pub(super) const MORE_ENGLISH: &str = concat!($($more, "\n"),+);

        /// How many texts there are.
        pub(super) const COUNT: usize = [$(Text::$name),+, $(Text::$late),+].len();

        /// The names in the order of the enum, each with a full stop after it.
        const NAMES: &str = concat!($(stringify!($name), ".",)+ $(stringify!($late), "."),+);

        /// Every text with its name, in order.
        #[cfg(test)]
        pub(super) const ALL: &[(Text, &str)] =
            &[$((Text::$name, stringify!($name)),)+ $((Text::$late, stringify!($late))),+];
    };
}

/// Where a text ends.
pub(super) const END: char = '\n';

/// Tells catalogues of different versions of the page apart: a hash of the names in their order
/// (FNV-1a of 32 bits, as in draft-eastlake-fnv), in eight hexadecimal digits.
pub(super) const FINGERPRINT: &[u8] = &{
    let names = NAMES.as_bytes();
    let mut hash = 0x811c_9dc5_u32;
    let mut at = 0;
    while at < names.len() {
        hash = (hash ^ names[at] as u32).wrapping_mul(0x0100_0193);
        at += 1;
    }
    let mut digits = [0; 8];
    let mut place = digits.len();
    while place > 0 {
        place -= 1;
        digits[place] = b"0123456789abcdef"[(hash % 16) as usize];
        hash /= 16;
    }
    digits
};

texts! { front {
    // The shell.
    Tagline = "Drop text files here. Their translations arrive by themselves.",
    DropLead = "Drop text files anywhere on this page",
    ChooseFiles = "Choose text files",
    DropNote = "Plain text in any encoding. Line breaks and blank lines stay where they are.",
    Console = "Console",
    Files = "Files",
    ListTrouble = "The list of files may be out of date. {0}",
    ChooseFolder = "Choose a folder",
    MoreLanguages = "More languages",
    Demonstration = "Demo text, not a translation: no translation engine is installed (pseudo translator).",
    PartMissing = "A part of this page could not be loaded. See whether you are connected; it is tried again by itself.",
    Ok = "OK",
    InterfaceLanguage = "Language of this page",
    InterfaceLanguageMissing = "This language could not be fetched, so the page stays as it is. See whether you are connected, then choose it again.",
    StoppedTitle = "This page stopped working",
    StoppedAdvice = "Files that were already sent are still being translated. Reload the page to see them.",
    Reload = "Reload",

    // The languages to translate from and into.
    TranslateFrom = "Translate from",
    TranslateInto = "Translate into",
    SwapLanguages = "Swap languages",
    CannotSwap = "The other way round can't be translated here",
    DetectLanguage = "Detect language",
    AccentedEnglish = "Accented English",
    LanguageVia = "{0} (via {1})",
    ByWayOf = "By way of {0}, so expect rougher text.",
    LanguagesTrouble = "The languages can't be shown. {0}",

    // The connection.
    Connecting = "Connecting",
    Connected = "Connected",
    Reconnecting = "Reconnecting",
    ReconnectingIn = "in {0}",
    Offline = "You are offline",
    Disconnected = "Disconnected",
    TryNow = "Try now",

    // Sizes, numbers and times.
    Bytes = "{0} byte|{0} bytes",
    Kilobytes = "{0} KB",
    Megabytes = "{0} MB",
    SizeOf = "{0} of {1}",
    Seconds = "{0} s|{0} s",
    Minutes = "{0} min|{0} min",
    Hours = "{0} h|{0} h",
    TwoTimes = "{0} {1}",

    // Troubles, each a title and what to do.
    Trouble = "{0}. {1}",
    ServerOutOfReach = "The server can't be reached",
    ServerOutOfReachAdvice = "See whether you are connected, then try again.",
    AnswerCutOff = "The server's answer was cut off",
    TryAgain = "Try again.",
    AnswerStrange = "The server's answer makes no sense to this page",
    AnswerStrangeAdvice = "The two may be of different versions. Reload the page.",
    ServerRefused = "The server refused this",
    ServerRefusedAdvice = "Reload the page, then try again.",
    ServerBusy = "The server can't do this now",
    ServerBusyAdvice = "Try again in a while.",
    TroubleGone = "It is not there any more",
    TroubleGoneAdvice = "It may have been deleted.",
    TroubleTooLarge = "The file is too large for this server",
    TroubleTooLargeAdvice = "Cut it into smaller files, then choose those.",
    TroubleConflict = "This can't be done at the moment",
    TroubleConflictAdvice = "The file's state may have changed meanwhile. See how it stands, then try again.",
    ConfigNotFetched = "config.json could not be fetched",
    ConfigNotFetchedAdvice = "See whether you are connected, then reload the page.",
    ConfigUnreadable = "config.json can't be read",
    ConfigUnreadableAdvice = "It has to be JSON with a websocketUrl and, where the backend can translate, an apiUrl, such as {\"websocketUrl\": \"live\", \"apiUrl\": \"api\"}. Correct it, then reload the page.",
    ConfigMissing = "config.json is missing",
    ConfigMissingAdvice = "It belongs beside index.html and says where the backend is, such as {\"websocketUrl\": \"live\", \"apiUrl\": \"api\"}. Put it there, then reload the page.",
    ConfigWebSocket = "The websocketUrl in config.json can't be used",
    ConfigWebSocketAdvice = "It has to be an address, whole (such as wss://example.com/prod) or relative to this page (such as live). Correct it, then reload the page.",
    ConfigSignIn = "The signIn in config.json can't be used",
    ConfigSignInAdvice = "It has to have an authorizeUrl, a tokenUrl and a clientId. Correct it, then reload the page.",

} desk {
    NothingOpen = "Open a file to read its translation here, side by side with the original.",
    DemonstrationBrief = "Demo text, not a translation",
    Close = "Close",
    ChooseLanguagesFirst = "Choose the languages to translate from and into first, then the files again.",
    NotSent = "It could not be sent",
    NotSentNetwork = "There is no connection to the place it is sent to, or the file can't be read any more. Try again, or choose the file again.",
    NotSentRefused = "The place it is sent to did not take it. Try again.",
    NotSentStalled = "Nothing moved for too long. Try again.",
    Paragraphs = "{0} paragraph|{0} paragraphs",
    // The list of files.
    FileFacts = "{0} to {1}, {2}",
    Open = "Open",
    OpenFile = "Open {0}",
    Download = "Download",
    DownloadFile = "Download {0}",
    Cancel = "Cancel",
    CancelFile = "Cancel {0}",
    Retry = "Retry",
    RetryFile = "Retry {0}",
    Delete = "Delete",
    DeleteFile = "Delete {0}",
    ProgressOf = "Progress of {0}",
    NotCancelled = "“{0}” could not be cancelled. {1}",
    NotRetried = "“{0}” could not be tried again. {1}",
    NotDeleted = "“{0}” could not be deleted. {1}",
    Undo = "Undo",
    UndoDelete = "Undo deleting {0}",
    PastedText = "Pasted text",
    NothingBrought = "There is no file in it. Choose text files, or a folder that has some.",
    DoublesSkipped = "{0} file is here already and was skipped.|{0} files are here already and were skipped.",
    FolderFilesSkipped = "{0} file of the folder has no text and was left out.|{0} files of the folder have no text and were left out.",
    FileEmpty = "The file is empty",
    FileEmptyAdvice = "There is nothing in it to translate.",
    FileBinary = "This is not a text file",
    FileBinaryAdvice = "Save its text as plain text (.txt), then choose that file.",
    FileUnreadable = "The file can't be read any more",
    FileUnreadableAdvice = "It may have been moved or changed. Choose it again.",
    LooksLike = "Looks like {0}. Wrong? Change it.",
    ReadAs = "Read as {0}. Wrong? Change it.",
    EncodingOf = "Encoding of {0}",
    EncodingChoice = "{0}: {1}",
    Summary = "{0} file, {1} done|{0} files, {1} done",
    RetryFailed = "Retry {0}|Retry all {0}",
    DownloadAll = "Download all",
    Packing = "Packing {0} of {1}",
    NotPacked = "{0} result could not be fetched and is not in the archive.|{0} results could not be fetched and are not in the archive.",
    ArchiveTooLarge = "The results are too large for one archive",
    ArchiveTooLargeAdvice = "Download them one by one.",
    DownloadPart = "Download what is done",
    DownloadPartOf = "Download what is done of {0}",
    StateLeaving = "Deleted in a moment",
    SaidLeaving = "{0} is deleted in a moment. The button before this one undoes it.",
    AlsoInto = "Also translate into",
    RemoveTarget = "Remove {0}",

    // What is told to people who listen.
    SaidManyCancelled = "{0} file cancelled.|{0} files cancelled.",
    SaidManyDone = "{0} file done.|{0} files done.",
    SaidManyFailed = "{0} file could not be translated.|{0} files could not be translated.",
    SaidManyStarted = "{0} file started.|{0} files started.",
    SaidOfFile = "{0}: {1}",
    SaidStarted = "started",

    // A file's state.
    StateChecking = "Being looked at",
    StateHeld = "Waits until you are online",
    StateWaiting = "Waiting to be uploaded",
    StateAnnouncing = "Preparing to upload",
    StateInterrupted = "Upload interrupted, starts again by itself",
    StateUploading = "Uploading, {0}",
    StateUploadingLeft = "Uploading, {0}, {1} left",
    StateUploaded = "Uploaded, waiting for the server to say so",
    StateReceived = "Received, being checked",
    StateCancelledEarly = "Cancelled before it was uploaded",
    StateAwaited = "Waiting for its file",
    StateQueued = "Waiting",
    StateQueuedNext = "Waiting, next in line",
    StateQueuedBehind = "Waiting, {0} ahead of you|Waiting, {0} ahead of you",
    StateTranslating = "Translating",
    StateTranslatingSome = "Translating, {1} of {0} paragraph|Translating, {1} of {0} paragraphs",
    StateDone = "Done",
    StateDoneAll = "Done, {0} paragraph|Done, {0} paragraphs",
    StateDoneIn = "Done, {0} paragraph in {1}|Done, {0} paragraphs in {1}",
    StateDonePartly = "Done, but {0} paragraph was left in the original language|Done, but {0} paragraphs were left in the original language",
    StateFailed = "Failed",
    StateFailedWhy = "Failed: {0}",
    StateCancelled = "Cancelled before anything was translated",
    StateCancelledSome = "Cancelled. Stopped at {1} of {0} paragraph. Download what is done.|Cancelled. Stopped at {1} of {0} paragraphs. Download what is done.",
    FailureNotText = "It is no plain text file",
    FailureNotTextAdvice = "Save it as plain text, then choose that file.",
    FailureCharset = "Its text encoding is not known",
    FailureCharsetAdvice = "Choose another encoding, then try again.",
    FailureLanguages = "The languages are not installed on the server any more",
    FailureLanguagesAdvice = "Choose others, or try again later.",
    FailureEngine = "The translation engine stopped working",
    FailureEngineAdvice = "What is translated is kept. Try again to go on from there.",
    FailureUpload = "What arrived is not the file that was announced",
    FailureUploadAdvice = "Choose the file again.",
    FailureUnknown = "It could not be translated",
    FailureUnknownAdvice = "See that it is a plain text file, then try again.",

    // The reader.
    Reader = "Reader",
    View = "View",
    Both = "Both",
    Translation = "Translation",
    Source = "Source",
    ReaderText = "Text",
    ShowAll = "Show all of it",
    JumpToNewest = "Jump to newest",
    RowFailed = "This paragraph could not be translated.",
    Copy = "Copy",
    CopyComing = "Copying…",
    Copied = "Copied",
    NotCopied = "Could not be copied",
    Save = "Save",
    SaveText = "Translated text",
    SaveSideBySide = "Both side by side",
    Find = "Find",
    FindInDocument = "Find in document",
    FindOrdinal = "{0} of {1}",
    FindTotal = "{0} paragraph|{0} paragraphs",
    FindNothing = "Nothing found",
    FindSearching = "Searching…",
    NextMatch = "Next match",
    PreviousMatch = "Previous match",
    CloseFind = "Close find",
    Proof = "Proof",
    ProofParagraphs = "{0} paragraph in, {1} out.|{0} paragraphs in, {1} out.",
    ProofNumbers = "{1} of {0} number kept.|{1} of {0} numbers kept.",
    ProofUrls = "{1} of {0} link kept.|{1} of {0} links kept.",
    ProofClean = "No paragraph stands out.",
    ProofSuspicious = "{0} paragraph is worth a look:|{0} paragraphs are worth a look:",
    ProofMore = "And {0} more.|And {0} more.",
    ParagraphNumber = "Paragraph {0}",
    ReasonEmpty = "no translation",
    ReasonUnchanged = "the same as the source",
    ReasonLonger = "much longer than the source",
    ReasonNumbers = "a number is missing",
    ReasonUrls = "a link is missing",
    ReasonFailed = "could not be translated",
    TranslateAgain = "Translate this again",
    TranslatingAgain = "Being translated again",
    SourceTrouble = "The source text can't be shown. {0}",
    SourceUnreadable = "This browser can't read its encoding",
    SourceUnreadableAdvice = "The translation is not affected.",
    LoadingText = "Loading…",
    TextToCome = "The text appears here as it is translated.",
    MoreToCome = "The next {0} paragraph appears here as it is translated.|The next {0} paragraphs appear here as they are translated.",

    // Links, and what this device keeps.
    LinkLeadsNowhere = "The translation that this link leads to is not here. It may have been deleted.",
    LinkNothingToRead = "“{0}” has no text to read.",
    TitleOf = "{0} – {1}",
    TitleDone = "({0} done) {1}|({0} done) {1}",
    NotifyDone = "“{0}” is translated",
    NotifyFailed = "“{0}” could not be translated",
    NotifyMany = "{0} file is translated|{0} files are translated",
    NotifyMe = "Tell me when it is done",
    Restored = "Restored after this page was reloaded",
    KeptHere = "Kept on this device",
    KeptInAll = "{0} text, {1}|{0} texts, {1}",
    Forget = "Forget",
    ForgetFile = "Forget {0}",
    ForgetAll = "Forget everything",
    KeepTexts = "Keep finished texts on this device, to read them without a connection",
    ReloadedBeforeSent = "This page was reloaded before it was sent",
    ReloadedBeforeSentAdvice = "Choose it again.",

    // Signing in.
    SignIn = "Sign in",
    SignOut = "Sign out",
    SignInFirst = "Sign in to translate files and to see those that you have here.",
    SignInEnded = "Your sign-in has ended. Nothing on this page is lost: sign in again to go on.",
    SignInUnfinished = "The sign-in was not finished",
    SignInUnfinishedAdvice = "Begin it again.",
    SignInRefused = "The sign-in was refused",
    SignInRefusedAdvice = "Try again, or ask whoever runs this page.",
    SignInOutOfReach = "The sign-in service can't be reached",
    SignInInsecure = "Nobody can sign in over an insecure connection",
    SignInInsecureAdvice = "Ask whoever runs this page for its secure address.",
    NotDownloaded = "“{0}” could not be downloaded. {1}",

    // The console, and the news of a backend with a WebSocket alone.
    Action = "Action",
    Data = "Data",
    Send = "Send",
    Frames = "Frames",
    FrameReceived = "Received",
    FrameSent = "Sent",
    FrameQueued = "Waits to be sent",
    FrameRefused = "Not sent",
    FrameNote = "Connection",
    RejectedTooLarge = "The message has {0}, and the gateway takes {1} at most. Send it in smaller parts.",
    RejectedQueueFull = "{0} message waits already for a connection. Try again once connected.|{0} messages wait already for a connection. Try again once connected.",
    RejectedClosed = "The connection is closed. Connect before sending.",
    DiscardedClosed = "The connection was closed before it could be sent.",
    DiscardedExpired = "There was no connection for too long.",
    DiscardedLeft = "It is not wanted any more.",
    FrameCut = "… {0} in all",
    News = "News",
    NoNews = "Nothing yet. What the backend tells of its objects appears here by itself.",
    NewsPlace = "{0} in {1}",
} }
