"""What the mock providers answer; the quick one is nginx, answering from its configuration."""

import json

SECRET = "ek_mock_0123456789abcdef0123456789abcdef"  # noqa: S105 - nobody's
MINTED = json.dumps(
    {
        "value": SECRET,
        "expires_at": 4102444800,  # 2100: no secret runs out while it is measured
        "session": {
            "type": "realtime",
            "object": "realtime.session",
            "id": "sess_mock",
            "model": "gpt-realtime",
            "output_modalities": ["audio"],
            "instructions": "You are a friendly assistant who answers in short sentences.",
            "tools": [],
            "tool_choice": "auto",
            "max_output_tokens": "inf",
            "tracing": None,
            "prompt": None,
        },
    }
)
ANSWER = "\r\n".join(
    [
        *("v=0", "o=- 8215236511 2 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0 1"),
        *("a=msid-semantic: WMS", "m=audio 9 UDP/TLS/RTP/SAVPF 111", "c=IN IP4 0.0.0.0"),
        *("a=ice-ufrag:mock", "a=ice-pwd:0123456789abcdef01234567", "a=mid:0", "a=sendrecv"),
        "a=fingerprint:sha-256 " + ":".join(["AB"] * 32),
        *("a=setup:active", "a=rtcp-mux", "a=rtpmap:111 opus/48000/2"),
        *("m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "c=IN IP4 0.0.0.0", "a=mid:1"),
        *("a=sctp-port:5000", "a=max-message-size:262144", ""),
    ]
)
OFFER = (
    ANSWER.replace("a=setup:active", "a=setup:actpass")
    + "".join(
        # As many candidates and codecs as a browser brings: some 2.5 KB in all.
        f"a=candidate:{n} 1 udp 2122260223 192.0.2.{n} {50000 + n} typ host generation 0\r\n"
        for n in range(24)
    )
).encode()
SETTINGS = """
worker_processes 1; daemon off; pid nginx.pid; error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
access_log off; keepalive_requests 100000000; keepalive_timeout 600s;
client_body_buffer_size 64k; client_max_body_size 1m;
client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
uwsgi_temp_path uwsgi; scgi_temp_path scgi;
{http}
}}
"""


def provider_settings(port: int) -> str:
    """nginx.conf of the quick provider."""
    return SETTINGS.format(
        http=f"""server {{ listen 127.0.0.1:{port};
location = /healthz {{ return 200 "ok"; }}
location = /v1/realtime/client_secrets {{ default_type application/json; return 200 '{MINTED}'; }}
location /v1/realtime/calls/ {{ return 200; }}
location = /v1/realtime/calls {{ default_type application/sdp;
add_header Location /v1/realtime/calls/rtc_1; return 201 "{ANSWER}"; }}
}}"""
    )


def proxy_settings(port: int, provider_port: int) -> str:
    """nginx.conf of a reverse proxy in front of a provider, which keeps its connections."""
    return SETTINGS.format(
        http=f"""upstream provider {{ server 127.0.0.1:{provider_port}; keepalive 256;
keepalive_requests 100000000; }}
server {{ listen 127.0.0.1:{port};
location = /healthz {{ return 200 "ok"; }}
location / {{ proxy_pass http://provider; proxy_http_version 1.1; proxy_set_header Connection "";
proxy_redirect off; }}
}}"""
    )
