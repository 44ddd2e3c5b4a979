package dev.wrenn.cli.remote;

import dev.wrenn.base.Forks;
import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.cli.client.ApiClient;
import dev.wrenn.cli.client.ApiSocket;
import dev.wrenn.cli.client.ApiSocket.Incoming;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.regex.Pattern;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** What listens in a capsule, and ways to it from this machine. */
@Command(
        name = "ports",
        description = "Lists the TCP ports that listen in a capsule, or forwards some to here.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "Services that are bound to the capsule's loopback are reached too. Forwarding goes on"
                    + " until Ctrl-C.",
            "Example: wrenn capsule ports --forward 8080:80 --forward 5432 $id"
        })
final class PortsCommand implements Callable<Integer> {
    private static final Pattern FORWARD = Pattern.compile("(?:(\\d{1,5}):)?(\\d{1,5})");
    private static final int GUEST_AGENT_PORT = 49_983;
    private static final String LISTENING = "0A"; // include/net/tcp_states.h, TCP_LISTEN
    private static final int CHUNK_BYTES = 32 << 10;
    private static final int STATE_FIELD = 3;

    @Mixin private RemoteOptions options = new RemoteOptions();

    @Option(
            names = {"-f", "--forward"},
            paramLabel = "[LOCAL:]PORT",
            description = "Listen on 127.0.0.1:LOCAL (default: the same) for it; may be repeated")
    private List<String> forwards = new ArrayList<>();

    @Parameters(paramLabel = "ID", description = "Id of the capsule")
    private String id = "";

    private record Forward(int local, int remote) {
        static Forward parse(String text) {
            var match = FORWARD.matcher(text);
            if (!match.matches()) {
                throw new WrennException(
                        Kind.INVALID, "not a forward: " + text + "; write it as 8080 or 9000:8080");
            }
            int remote = Integer.parseInt(match.group(2));
            int local = match.group(1) == null ? remote : Integer.parseInt(match.group(1));
            return new Forward(local, remote);
        }
    }

    @Override
    public Integer call() {
        try (var api = options.connect()) {
            if (forwards.isEmpty()) {
                list(api);
                return 0;
            }
            return forward(api, forwards.stream().map(Forward::parse).toList());
        }
    }

    private void list(ApiClient api) {
        var listening = new TreeMap<Integer, String>();
        for (var table : List.of("/proc/net/tcp", "/proc/net/tcp6")) {
            read(api, table).lines().skip(1).forEach(line -> note(line, listening));
        }
        listening.remove(GUEST_AGENT_PORT);
        var table = new Table("PORT", "BOUND TO");
        listening.forEach((port, address) -> table.row(Integer.toString(port), address));
        options.print(
                listening.entrySet().stream()
                        .map(e -> Map.of("port", e.getKey(), "bound_to", e.getValue()))
                        .toList(),
                table.lines());
    }

    private String read(ApiClient api, String file) {
        var path = CapsuleCommand.path(id) + "/files/stream/read";
        try (var content = api.stream(path, Map.of("path", file), CapsuleCommand.LIMIT)) {
            return new String(content.readAllBytes(), StandardCharsets.US_ASCII);
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, "cannot read " + file, e);
        }
    }

    /** One line of /proc/net/tcp (proc(5)): addresses are hexadecimal, in host byte order. */
    private static void note(String line, Map<Integer, String> listening) {
        var fields = line.strip().split("\\s+", -1);
        if (fields.length <= STATE_FIELD || !fields[STATE_FIELD].equals(LISTENING)) {
            return;
        }
        var local = fields[1].split(":", -1);
        var address = local[0];
        var bound =
                address.matches("0+")
                        ? "all addresses"
                        : address.endsWith("7F") || address.endsWith("01000000")
                                ? "loopback"
                                : "one address";
        listening.merge(
                Integer.parseInt(local[1], 16), bound, (a, b) -> a.equals("all addresses") ? a : b);
    }

    private int forward(ApiClient api, List<Forward> ways) {
        api.get(CapsuleCommand.path(id), CapsuleCommand.LIMIT); // fails early for a wrong id
        try (var forks = new Forks()) {
            var accepting = new ArrayList<Forks.Fork<Boolean>>();
            for (var way : ways) {
                var server = new ServerSocket();
                server.setReuseAddress(true);
                server.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), way.local()));
                System.err.printf(
                        "127.0.0.1:%d reaches port %d of %s%n",
                        server.getLocalPort(), way.remote(), id);
                accepting.add(
                        forks.start("forward " + way.local(), () -> accept(api, server, way)));
            }
            for (var each : accepting) {
                each.take(java.time.Duration.ofDays(365));
            }
            return 0;
        } catch (WrennException e) {
            if (Thread.interrupted()) {
                return 0; // Ctrl-C: this is how it is asked to end
            }
            throw e;
        } catch (IOException e) {
            throw new WrennException(
                    Kind.CONFLICT, "cannot listen; is the port taken? choose LOCAL:PORT", e);
        }
    }

    private boolean accept(ApiClient api, ServerSocket server, Forward way) throws IOException {
        try (server) {
            while (true) {
                var client = server.accept();
                Forks.background("tunnel " + way.remote(), () -> tunnel(api, client, way));
            }
        }
    }

    /** One connection; whichever side ends, both do. */
    private void tunnel(ApiClient api, Socket client, Forward way) {
        var path = "%s/ports/%d/tunnel".formatted(CapsuleCommand.path(id), way.remote());
        try (client;
                var socket = api.socket(path);
                var forks = new Forks()) {
            client.setTcpNoDelay(true);
            forks.start("to capsule", () -> send(client, socket));
            receive(client, socket);
        } catch (IOException e) {
            System.err.println("wrenn: a forwarded connection broke: " + e.getMessage());
        } catch (WrennException e) {
            System.err.println("wrenn: " + e.shownMessage());
        }
    }

    private static boolean send(Socket client, ApiSocket socket) throws IOException {
        var buffer = new byte[CHUNK_BYTES];
        var input = client.getInputStream();
        for (int n = input.read(buffer); n >= 0; n = input.read(buffer)) {
            socket.send(buffer, n);
        }
        socket.send(Map.of("type", "eof"));
        return true;
    }

    private static void receive(Socket client, ApiSocket socket) throws IOException {
        while (true) {
            switch (socket.next()) {
                case Incoming.Bytes(var bytes) -> client.getOutputStream().write(bytes);
                case Incoming.Message message -> {
                    if (message.type().equals("error")) {
                        throw new WrennException(
                                Kind.UNAVAILABLE, message.json().path("data").asText());
                    }
                }
                case Incoming.Closed _ -> {
                    client.shutdownOutput();
                    return;
                }
            }
        }
    }
}
