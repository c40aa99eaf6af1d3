//! All that can be asked of this host: which scope it needs, what it reaches, and whether it changes
//! something. Knows no paths, no handlers, and nobody who asks.
//!
//! A request gets to a handler through one of these and no other way, so there is no handler
//! without a scope.

use triphammer_access::Scope;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Endpoint {
    Events,
    EventsOfType,
    /// A webhook, which proves itself who sends it.
    Hook,
    /// Whether a sender may deliver here.
    Handshake,
    /// The CloudEvents Subscriptions API.
    SubscriptionList,
    SubscriptionCreate,
    SubscriptionsOptions,
    Subscription,
    SubscriptionUpdate,
    SubscriptionRemove,
    SubscriptionOptions,
    Page,
    /// What the page is made of.
    Asset,
    OpenApi,
    AsyncApi,
    Healthz,
    Readyz,
    Metrics,
    FunctionList,
    Function,
    Deploy,
    Remove,
    Activate,
    Rollback,
    Pause,
    Resume,
    TestDeployed,
    TestComponent,
    State,
    EventList,
    Event,
    ReplayEvent,
    Replay,
    ReplayList,
    ReplayInfo,
    ReplayCancel,
    DeliveryList,
    Redrive,
    Drop,
    Stream,
    FilterTest,
    HookList,
    Stats,
    Overview,
    OverviewStream,
    History,
    Settings,
    EventTree,
    StateHistory,
    Causes,
    Lanes,
    Audit,
}

/// What a token must allow beyond its scope.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reach {
    /// The types of the events, known when they are read.
    Types,
    /// The function in the path.
    Function,
    /// The function that the request chooses, or all: its handler asks.
    Chosen,
    /// Nothing that is kept here.
    Nothing,
    /// Every function and every type.
    All,
}

impl Endpoint {
    /// None for what anybody may ask.
    pub(crate) fn scope(self) -> Option<Scope> {
        match self {
            Self::Healthz | Self::Readyz | Self::Hook | Self::Handshake => None,
            Self::Events | Self::EventsOfType => Some(Scope::Send),
            Self::Page
            | Self::Asset
            | Self::OpenApi
            | Self::AsyncApi
            | Self::SubscriptionList
            | Self::SubscriptionsOptions
            | Self::Subscription
            | Self::SubscriptionOptions
            | Self::Metrics
            | Self::FunctionList
            | Self::Function
            | Self::State
            | Self::EventList
            | Self::Event
            | Self::ReplayList
            | Self::ReplayInfo
            | Self::DeliveryList
            | Self::Stream
            | Self::FilterTest
            | Self::HookList
            | Self::Overview
            | Self::OverviewStream
            | Self::History
            | Self::EventTree
            | Self::StateHistory
            | Self::Causes
            | Self::Lanes
            | Self::Stats => Some(Scope::Read),
            Self::Deploy
            | Self::SubscriptionCreate
            | Self::SubscriptionUpdate
            | Self::Activate
            | Self::Rollback
            | Self::TestDeployed
            | Self::TestComponent => Some(Scope::Deploy),
            Self::Remove
            | Self::SubscriptionRemove
            | Self::Pause
            | Self::Resume
            | Self::ReplayEvent
            | Self::Replay
            | Self::ReplayCancel
            | Self::Redrive
            | Self::Drop
            | Self::Settings
            | Self::Audit => Some(Scope::Operate),
        }
    }

    pub(crate) fn reach(self) -> Reach {
        match self {
            Self::Events | Self::EventsOfType => Reach::Types,
            // A subscription is kept as a function is, under its id.
            Self::Function
            | Self::Subscription
            | Self::SubscriptionUpdate
            | Self::SubscriptionRemove
            | Self::Deploy
            | Self::Remove
            | Self::Activate
            | Self::Rollback
            | Self::Pause
            | Self::Resume
            | Self::TestDeployed
            | Self::State
            | Self::StateHistory => Reach::Function,
            Self::DeliveryList
            | Self::Redrive
            | Self::Drop
            | Self::Stream
            | Self::History
            | Self::Causes
            | Self::Lanes => Reach::Chosen,
            Self::Healthz
            | Self::Readyz
            | Self::OpenApi
            | Self::SubscriptionsOptions
            | Self::SubscriptionOptions
            | Self::Hook
            | Self::Handshake
            | Self::FilterTest => Reach::Nothing,
            Self::Page
            | Self::Asset
            | Self::AsyncApi
            | Self::SubscriptionList
            | Self::SubscriptionCreate
            | Self::Metrics
            | Self::FunctionList
            | Self::TestComponent
            | Self::EventList
            | Self::Event
            | Self::ReplayEvent
            | Self::Replay
            | Self::ReplayList
            | Self::ReplayInfo
            | Self::ReplayCancel
            | Self::HookList
            | Self::Stats
            | Self::Overview
            | Self::OverviewStream
            | Self::Settings
            | Self::EventTree
            | Self::Audit => Reach::All,
        }
    }

    /// What the audit log calls it; none when nothing changes.
    pub(crate) fn action(self) -> Option<&'static str> {
        match self {
            Self::Deploy => Some("deploy"),
            Self::Remove => Some("remove"),
            Self::Activate => Some("activate"),
            Self::Rollback => Some("rollback"),
            Self::Pause => Some("pause"),
            Self::Resume => Some("resume"),
            Self::ReplayEvent => Some("replay-event"),
            Self::Replay => Some("replay"),
            Self::ReplayCancel => Some("replay-cancel"),
            Self::Redrive => Some("redrive"),
            Self::Drop => Some("drop"),
            Self::SubscriptionCreate => Some("subscribe"),
            Self::SubscriptionUpdate => Some("subscription-update"),
            Self::SubscriptionRemove => Some("unsubscribe"),
            // Events are their own record, and the others only look.
            Self::Events
            | Self::EventsOfType
            | Self::Hook
            | Self::Handshake
            | Self::SubscriptionList
            | Self::SubscriptionsOptions
            | Self::Subscription
            | Self::SubscriptionOptions
            | Self::OpenApi
            | Self::AsyncApi
            | Self::Page
            | Self::Asset
            | Self::Healthz
            | Self::Readyz
            | Self::Metrics
            | Self::FunctionList
            | Self::Function
            | Self::TestDeployed
            | Self::TestComponent
            | Self::State
            | Self::EventList
            | Self::Event
            | Self::ReplayList
            | Self::ReplayInfo
            | Self::DeliveryList
            | Self::Stream
            | Self::FilterTest
            | Self::HookList
            | Self::Stats
            | Self::Overview
            | Self::OverviewStream
            | Self::History
            | Self::Settings
            | Self::EventTree
            | Self::StateHistory
            | Self::Causes
            | Self::Lanes
            | Self::Audit => None,
        }
    }
}
