// Java's own client: a WebSocket over TLS, a message and its answer.

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;

public class Connect {
    public static void main(String[] arguments) throws Exception {
        CompletableFuture<String> answer = new CompletableFuture<>();
        WebSocket.Listener listener = new WebSocket.Listener() {
            private final StringBuilder text = new StringBuilder();

            @Override
            public CompletionStage<?> onText(WebSocket socket, CharSequence data, boolean last) {
                text.append(data);
                if (last) {
                    answer.complete(text.toString());
                }
                socket.request(1);
                return null;
            }

            @Override
            public void onError(WebSocket socket, Throwable error) {
                answer.completeExceptionally(error);
            }
        };
        WebSocket socket = HttpClient.newHttpClient()
            .newWebSocketBuilder()
            .buildAsync(URI.create(arguments[0]), listener)
            .get(20, TimeUnit.SECONDS);
        socket.sendText("{\"type\":\"Ping\"}", true).get(20, TimeUnit.SECONDS);
        String text = answer.get(20, TimeUnit.SECONDS);
        if (!text.equals("{\"type\":\"Pong\"}")) {
            throw new IllegalStateException(text);
        }
        socket.sendClose(WebSocket.NORMAL_CLOSURE, "").get(20, TimeUnit.SECONDS);
        System.out.println("ok: java.net.http of Java " + System.getProperty("java.version"));
        System.exit(0);
    }
}
