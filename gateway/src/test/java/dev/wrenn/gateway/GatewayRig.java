package dev.wrenn.gateway;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import dev.wrenn.base.WrennException;
import dev.wrenn.contract.CapsuleId;
import dev.wrenn.contract.TemplateId;
import dev.wrenn.contract.gateway.Admission;
import dev.wrenn.contract.gateway.CapsuleDoor;
import dev.wrenn.contract.host.CreateCapsule;
import dev.wrenn.simhost.ChildPrograms;
import dev.wrenn.simhost.SimHost;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.Map;
import java.util.Optional;
import org.eclipse.jetty.http.UriCompliance;
import org.eclipse.jetty.io.Content;
import org.eclipse.jetty.server.Handler;
import org.eclipse.jetty.server.HttpConnectionFactory;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.util.Callback;

/**
 * A gateway in front of a stand-in for the API, on a host agent without VMs whose guests' ports are
 * those of this machine.
 */
final class GatewayRig {
    private final SimHost host;
    private final Server server = new Server();
    private final ServerConnector connector = new ServerConnector(server);
    private final Gateway gateway;

    GatewayRig(Path folder, GatewayConfig config) throws Exception {
        host = new SimHost(folder, new ChildPrograms(), InstantSource.system());
        gateway = new Gateway(new OpenDoor(), config);
        gateway.setHandler(
                new Handler.Abstract() {
                    @Override
                    public boolean handle(Request request, Response response, Callback callback) {
                        Content.Sink.write(
                                response, true, "api " + request.getHttpURI().getPath(), callback);
                        return true;
                    }
                });
        server.setHandler(gateway);
        // As the product's server has it: targets are the guest's business, not ours.
        connector
                .getConnectionFactory(HttpConnectionFactory.class)
                .getHttpConfiguration()
                .setUriCompliance(UriCompliance.LEGACY);
        connector.setHost("127.0.0.1");
        server.addConnector(connector);
        server.start();
    }

    /** Lets everybody in whose capsule runs. */
    private final class OpenDoor implements CapsuleDoor {
        @Override
        public Admission admit(CapsuleId capsule, Optional<String> apiKey) {
            try {
                return new Admission.Granted(host.ports(capsule));
            } catch (WrennException e) {
                return switch (e.kind()) {
                    case ABSENT -> new Admission.Refused(Admission.Reason.ABSENT, e.shownMessage());
                    case WRONG_STATE ->
                            new Admission.Refused(Admission.Reason.NOT_RUNNING, e.shownMessage());
                    case INVALID, CONFLICT, EXHAUSTED, UNAVAILABLE, CORRUPT, BUG -> throw e;
                };
            }
        }
    }

    SimHost host() {
        return host;
    }

    Gateway gateway() {
        return gateway;
    }

    CapsuleId capsule(Duration expiry) {
        return host.create(
                        new CreateCapsule(
                                CapsuleId.random(), TemplateId.MINIMAL, 1, 128, expiry, Map.of()))
                .capsule();
    }

    static String hostName(CapsuleId capsule, int port) {
        return port + "-" + capsule + ".localhost";
    }

    Socket connect() throws IOException {
        var socket = new Socket(InetAddress.getLoopbackAddress(), connector.getLocalPort());
        socket.setSoTimeout(30_000);
        socket.setTcpNoDelay(true);
        return socket;
    }

    int port() {
        return connector.getLocalPort();
    }

    /** Sends a request without a body on a connection of its own; returns the whole answer. */
    String get(String hostName, String target, String... fields) throws IOException {
        try (var socket = connect()) {
            send(socket, "GET", hostName, target, fields);
            return new String(socket.getInputStream().readAllBytes(), ISO_8859_1);
        }
    }

    static void send(Socket socket, String method, String hostName, String target, String... fields)
            throws IOException {
        var head = new StringBuilder("%s %s HTTP/1.1\r\n".formatted(method, target));
        head.append("Host: ").append(hostName).append("\r\n");
        boolean persists = false;
        for (var field : fields) {
            head.append(field).append("\r\n");
            persists |= field.startsWith("Connection:");
        }
        if (!persists) {
            head.append("Connection: close\r\n");
        }
        socket.getOutputStream().write(head.append("\r\n").toString().getBytes(ISO_8859_1));
    }

    void close() throws Exception {
        server.stop();
        host.close();
    }
}
