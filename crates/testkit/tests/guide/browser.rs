use babelwire_client::{Client, Options};
use gloo_net::http::Request;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

/// The address that `babelwire-fake-gateway` printed. It is compiled in, because a test in a
/// browser has no environment.
const GATEWAY: Option<&str> = option_env!("FAKE_GATEWAY");

#[wasm_bindgen_test]
async fn a_page_comes_back_after_the_gateway_hung_up() {
    let gateway = GATEWAY.unwrap();
    let stage = "comes-back";
    let steer = |call| Request::post(&format!("http://{gateway}/_control/{stage}/{call}"));

    let client = Client::connect(Options::new(format!("ws://{gateway}/{stage}")), |_| {});
    let mut statuses = client.statuses();
    while !statuses.next().await.unwrap().unwrap().is_open() {}

    steer("cut").send().await.unwrap();
    while statuses.next().await.unwrap().unwrap().is_open() {}
    while !statuses.next().await.unwrap().unwrap().is_open() {}
}
