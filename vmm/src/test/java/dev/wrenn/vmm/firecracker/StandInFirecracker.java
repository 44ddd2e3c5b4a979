package dev.wrenn.vmm.firecracker;

import dev.wrenn.base.Forks;
import dev.wrenn.base.Resource;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Function;
import java.util.regex.Pattern;

/** Answers on a unix socket as Firecracker does, and keeps what it was asked. */
final class StandInFirecracker implements Resource {
    private static final Pattern LENGTH = Pattern.compile("(?i)content-length: (\\d+)");

    private final ServerSocketChannel server;
    private final List<SocketChannel> connections = new CopyOnWriteArrayList<>();
    private final Function<String, String> answers;
    final List<String> requests = new CopyOnWriteArrayList<>();

    /**
     * @param answers to a request line the whole answer; an empty one ends the connection
     */
    StandInFirecracker(Path socket, Function<String, String> answers) {
        this.answers = answers;
        try {
            server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
            server.bind(UnixDomainSocketAddress.of(socket));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        Forks.background("stand-in", this::accept);
    }

    static String answer(String status, String body) {
        return "HTTP/1.1 %s\r\nServer: Firecracker API\r\nConnection: keep-alive\r\n%s\r\n%s"
                .formatted(
                        status,
                        body.isEmpty()
                                ? ""
                                : "Content-Type: application/json\r\nContent-Length: %d\r\n"
                                        .formatted(body.length()),
                        body);
    }

    private void accept() {
        try {
            while (true) {
                var connection = server.accept();
                connections.add(connection);
                Forks.background("stand-in connection", () -> serve(connection));
            }
        } catch (IOException _) {
            // closed
        }
    }

    private void serve(SocketChannel connection) {
        var text = new StringBuilder();
        var buffer = ByteBuffer.allocate(4096);
        try (connection) {
            while (connection.read(buffer) >= 0) {
                text.append(StandardCharsets.UTF_8.decode(buffer.flip()));
                buffer.clear();
                int head = text.indexOf("\r\n\r\n");
                if (head < 0) {
                    continue;
                }
                var length = LENGTH.matcher(text.substring(0, head));
                int end = head + 4 + (length.find() ? Integer.parseInt(length.group(1)) : 0);
                if (text.length() < end) {
                    continue;
                }
                var line = text.substring(0, text.indexOf(" HTTP/1.1"));
                requests.add((line + " " + text.substring(head + 4, end)).strip());
                text.delete(0, end);
                var answer = answers.apply(line);
                if (answer.isEmpty()) {
                    return;
                }
                connection.write(ByteBuffer.wrap(answer.getBytes(StandardCharsets.UTF_8)));
            }
        } catch (IOException _) {
            // closed
        }
    }

    @Override
    public void close() {
        try {
            server.close();
            for (var connection : connections) {
                connection.close();
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
