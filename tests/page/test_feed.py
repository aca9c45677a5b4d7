"""The feed of calls as the page reads it, against a service that a test scripts."""

import pytest
from playwright.async_api import Page

from tests.page.conftest import Service

pytestmark = pytest.mark.asyncio(loop_scope="session")  # the browser lives on that loop

STREAM = (
    ": following\r\nid: 1\r\nretry: 20\r\n\r\n"
    'event: call.started\r\nid: 2\r\ndata: {\r\ndata: "é"}\r\n\r\n'
    "id\ndata:x\n\n"
    "data: cut off"
)
MESSAGES = [
    {"event": "", "data": "", "id": "1", "retry": 20},
    {"event": "call.started", "data": '{\n"é"}', "id": "2"},
    {"event": "", "data": "x", "id": ""},
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
async def test_events_are_read_however_they_are_cut(
    service: Service, page: Page, size: int
) -> None:
    """In the middle of a character or of a line's end; what has no end is no event."""
    await page.goto(service.url)
    read = await page.evaluate(
        """async ([text, size]) => {
          const { messages } = await import("/js/operators/feed.js");
          const bytes = new TextEncoder().encode(text);
          const body = new ReadableStream({
            start(controller) {
              for (let at = 0; at < bytes.length; at += size)
                controller.enqueue(bytes.slice(at, at + size));
              controller.close();
            },
          });
          const found = [];
          for await (const message of messages(body)) found.push(message);
          return found;
        }""",
        [STREAM, size],
    )
    assert read == MESSAGES


RESET = """async () => {
  const { Feed } = await import("/js/operators/feed.js");
  const [told, asked, streams] = [[], [], []];
  let [live, heard] = [["b", "a"], () => {}];
  const json = (body, status = 200) => new Response(JSON.stringify(body), { status });
  globalThis.fetch = async (url, { headers }) => {
    const path = url.replace(/.*calls/, "").replace(/&.*/, "");
    asked.push(`${path} ${headers["Last-Event-ID"] ?? ""}`);
    if (url.endsWith("/a")) return json({ id: "a", status: "ended" });
    if (url.endsWith("/b")) return json({ error: {} }, 404);
    if (!url.endsWith("/events"))
      return json({ data: live.map((id) => ({ id, status: "live" })), has_more: false });
    return new Response(new ReadableStream({ start: (controller) => {
      streams.push(controller);
      say(": following\\r\\nid: 1\\r\\nretry: 1\\r\\n\\r\\n");
    } }));
  };
  const say = (text) => streams.at(-1).enqueue(new TextEncoder().encode(text));
  const until = (line) => new Promise((resolve) => {
    heard = () => { if (told.at(-1) === line) resolve(told.push("--")); };
  });
  const tell = (line) => { told.push(line); heard(); };
  const feed = new Feed("sk", {
    state: ({ state, error }) => tell(error ? `${state}: ${error.message}` : state),
    call: ({ id, status }) => tell(`${id} ${status}`),
    gone: (id) => tell(`${id} gone`),
  });
  feed.start();
  await until("following");
  live = ["c"];
  say("event: reset\\r\\nid: 9\\r\\ndata: {}\\r\\n\\r\\n");
  await until("following");
  streams.at(-1).close();
  await until("following");
  feed.stop();
  return { told, asked };
}"""


async def test_after_a_reset_all_is_read_anew(service: Service, page: Page) -> None:
    """What has ended unheard is asked for, what is known no more is gone; then it goes on."""
    await page.goto(service.url)
    found = await page.evaluate(RESET)
    assert found["told"] == [
        *("connecting", "b live", "a live", "following", "--"),
        *("c live", "b gone", "a ended", "following", "--"),
        *("waiting: The feed ended.", "connecting", "following", "--"),
    ]
    assert found["asked"] == [
        *("/events ", "?status=live "),
        *("?status=live ", "/b ", "/a "),
        "/events 9",
    ]
