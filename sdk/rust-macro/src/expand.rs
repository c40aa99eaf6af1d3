//! The attribute's expansion: the handler as it was, and the component's exports around it.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, FnArg, Ident, ItemFn, Result, ReturnType, Signature, Type};

use crate::manifest::Manifest;

pub(crate) fn function(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let handler = match syn::parse2::<ItemFn>(item.clone()) {
        Ok(handler) => handler,
        Err(_) => {
            let error = Error::new_spanned(&item, "`#[function]` belongs on a function");
            return with_item(&error, item);
        }
    };
    let manifest = syn::parse2::<Manifest>(arguments);
    let takes = match &manifest {
        Ok(manifest) if manifest.has_batch() => Takes::Batch,
        Ok(_) => Takes::Single,
        // Whatever the handler takes: the attribute has to be put right first.
        Err(_) => Takes::Unknown,
    };
    match (manifest, shape(&handler.sig, takes)) {
        (Ok(manifest), Ok(())) => exports(&manifest, &handler),
        (Err(mut error), Err(other)) => {
            error.combine(other);
            with_item(&error, item)
        }
        (Err(error), Ok(())) | (Ok(_), Err(error)) => with_item(&error, item),
    }
}

/// The handler stays, so that nothing but the mistake itself is reported.
fn with_item(error: &Error, item: TokenStream) -> TokenStream {
    let error = error.to_compile_error();
    quote! { #error #item }
}

/// What a handler is given at a time, by the attribute.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Takes {
    Single,
    Batch,
    Unknown,
}

impl Takes {
    fn event(self) -> &'static str {
        match self {
            Self::Single | Self::Unknown => "event: Event<T>",
            Self::Batch => "events: Vec<Event<T>>",
        }
    }
}

/// What the types alone would report in words of their own.
fn shape(signature: &Signature, takes: Takes) -> Result<()> {
    let wrong = |span, problem: &str| {
        let event = takes.event();
        let shape = format!("fn handler({event}, ctx: &mut Context) -> Result<R, Fault>");
        Err(Error::new(span, format!("{problem}; a handler is `{shape}`")))
    };
    if let Some(asyncness) = signature.asyncness {
        return wrong(asyncness.span(), "a handler can't be `async`");
    }
    if let Some(unsafety) = signature.unsafety {
        return wrong(unsafety.span(), "a handler can't be `unsafe`");
    }
    if let Some(abi) = &signature.abi {
        return wrong(abi.span(), "a handler can't be `extern`");
    }
    if !signature.generics.params.is_empty() || signature.generics.where_clause.is_some() {
        return wrong(signature.generics.span(), "a handler can't be generic");
    }
    if let Some(FnArg::Receiver(receiver)) =
        signature.receiver().map(|r| FnArg::Receiver(r.clone()))
    {
        return wrong(receiver.span(), "a handler can't be a method");
    }
    if signature.inputs.len() != 2 {
        return wrong(signature.paren_token.span.join(), "a handler takes two parameters");
    }
    if let FnArg::Typed(event) = &signature.inputs[0] {
        list_or_not(&event.ty, takes)?;
    }
    match &signature.inputs[1] {
        FnArg::Typed(context) => match &*context.ty {
            Type::Reference(reference) if reference.mutability.is_some() => {}
            other => return wrong(other.span(), "a handler's second parameter is `&mut Context`"),
        },
        FnArg::Receiver(receiver) => return wrong(receiver.span(), "a handler can't be a method"),
    }
    match &signature.output {
        ReturnType::Default => wrong(signature.ident.span(), "a handler returns a `Result`"),
        ReturnType::Type(..) => Ok(()),
    }
}

/// Whether the first parameter is what the attribute says. A type that goes by another name is left
/// to the compiler.
fn list_or_not(ty: &Type, takes: Takes) -> Result<()> {
    let Type::Path(path) = ty else { return Ok(()) };
    let Some(outer) = path.path.segments.last() else { return Ok(()) };
    match takes {
        Takes::Single if outer.ident == "Vec" => Err(Error::new_spanned(
            ty,
            "a handler of lists needs `batch(max = 100, wait = \"1s\")` in its attribute",
        )),
        Takes::Batch if outer.ident == "Event" => Err(Error::new_spanned(
            ty,
            "with `batch` in its attribute a handler takes a list: `Vec<Event<T>>`",
        )),
        _ => Ok(()),
    }
}

fn exports(manifest: &Manifest, handler: &ItemFn) -> TokenStream {
    let name = &handler.sig.ident;
    // At the signature, so that a wrong type is reported there and not at the attribute.
    let span = handler.sig.output.span();
    let (check, component) = if manifest.has_batch() {
        let check = quote_spanned! { span => ::triphammer_sdk::expansion::check_batch(#name) };
        (check, batch_component(manifest, name))
    } else {
        let check = quote_spanned! { span => ::triphammer_sdk::expansion::check(#name) };
        (check, component(manifest, name))
    };
    quote! {
        #handler

        // Named, so that a second `#[function]` beside this one is a compile error.
        #[doc(hidden)]
        #[allow(dead_code, reason = "a guard")]
        const ONE_FUNCTION_A_CRATE: () = #check;

        #[cfg(target_family = "wasm")]
        const _: () = {
            struct Component;

            #component
        };
    }
}

fn component(manifest: &Manifest, name: &Ident) -> TokenStream {
    let describe = describe(manifest);
    quote! {
        impl ::triphammer_sdk::guest::Guest for Component {
            #describe

            fn handle(
                event: ::triphammer_sdk::guest::WitEvent,
                delivery: ::triphammer_sdk::guest::WitDelivery,
            ) -> ::core::result::Result<
                ::core::option::Option<::triphammer_sdk::guest::WitReply>,
                ::triphammer_sdk::guest::WitFault,
            > {
                ::triphammer_sdk::guest::handle(#name, event, delivery)
            }
        }

        ::triphammer_sdk::guest::export_function!(
            Component with_types_in ::triphammer_sdk::guest::bindings
        );
    }
}

fn batch_component(manifest: &Manifest, name: &Ident) -> TokenStream {
    let describe = describe(manifest);
    quote! {
        impl ::triphammer_sdk::guest::BatchGuest for Component {
            #describe

            fn handle_batch(
                events: ::std::vec::Vec<(
                    ::triphammer_sdk::guest::WitEvent,
                    ::triphammer_sdk::guest::WitDelivery,
                )>,
            ) -> ::core::result::Result<
                ::core::option::Option<::triphammer_sdk::guest::WitReply>,
                ::triphammer_sdk::guest::WitFault,
            > {
                ::triphammer_sdk::guest::handle_batch(#name, events)
            }
        }

        ::triphammer_sdk::guest::export_batch_function!(
            Component with_types_in ::triphammer_sdk::guest::batch_bindings
        );
    }
}

fn describe(manifest: &Manifest) -> TokenStream {
    let members = manifest.json_members();
    quote! {
        fn describe() -> ::std::string::String {
            ::triphammer_sdk::guest::manifest(::core::env!("CARGO_PKG_NAME"), #members)
        }
    }
}
