//! A component that can't say what it is: `describe` panics, so it can't be uploaded.

#[cfg(target_family = "wasm")]
mod component {
    use triphammer_sdk::guest::{Guest, WitDelivery, WitEvent, WitFault, WitReply};

    struct Component;

    impl Guest for Component {
        fn describe() -> String {
            panic!("there is no manifest");
        }

        fn handle(_: WitEvent, _: WitDelivery) -> Result<Option<WitReply>, WitFault> {
            Ok(None)
        }
    }

    triphammer_sdk::guest::export_function!(
        Component with_types_in triphammer_sdk::guest::bindings
    );
}
