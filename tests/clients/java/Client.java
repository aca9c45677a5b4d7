import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Mints, calls and hangs up with Java's own client, which offers h2c with every plain request. */
class Client {
    private static final HttpClient CLIENT = HttpClient.newHttpClient();

    public static void main(String[] arguments) throws Exception {
        String url = arguments[0], key = arguments[1], offer = arguments[2], chunked = arguments[3];
        String mint = "{\"model\": \"voice\"}";
        HttpResponse<String> minted =
            post(url + "/v1/realtime/client_secrets", key, "application/json", mint, chunked);
        Matcher value = Pattern.compile("\"value\":\"([^\"]+)\"").matcher(minted.body());
        String token = value.find() ? value.group(1) : "none";
        HttpResponse<String> called =
            post(url + "/v1/realtime/calls", token, "application/sdp", offer, chunked);
        String place = called.headers().firstValue("Location").orElse("/none");
        HttpResponse<String> ended = post(url + place + "/hangup", token, "application/json", "", "");
        System.out.println(minted.statusCode() + " " + called.statusCode() + " " + ended.statusCode());
        System.out.print(called.body());
    }

    private static HttpResponse<String> post(
        String url, String key, String type, String body, String chunked
    ) throws Exception {
        BodyPublisher publisher = BodyPublishers.ofString(body, StandardCharsets.UTF_8);
        if (chunked.equals("chunked")) {
            publisher = BodyPublishers.fromPublisher(publisher); // its length is not known then
        }
        HttpRequest request = HttpRequest.newBuilder(URI.create(url))
            .header("Authorization", "Bearer " + key)
            .header("Content-Type", type)
            .POST(publisher)
            .build();
        return CLIENT.send(request, BodyHandlers.ofString());
    }
}
