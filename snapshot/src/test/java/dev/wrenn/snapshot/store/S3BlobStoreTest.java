package dev.wrenn.snapshot.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.net.httpserver.HttpServer;
import dev.wrenn.base.Kind;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Blobs as objects of a real S3 server, and of servers that misbehave. */
final class S3BlobStoreTest extends BlobStoreContract {
    private Optional<S3Server> server = Optional.empty();

    @Override
    BlobStore open() throws Exception {
        server = Optional.of(S3Server.start(folder.resolve("s3")));
        return S3BlobStore.open(server.get().config());
    }

    @AfterEach
    void stopServer() throws Exception {
        server.orElseThrow().close();
    }

    @Test
    void wrong_credentials_and_a_missing_bucket_are_refused_with_what_to_do() {
        var config = server.orElseThrow().config();
        assertThatThrownBy(() -> S3BlobStore.open(S3Server.config(server.get().endpoint(), "no")))
                .isInstanceOfSatisfying(
                        BlobStoreFailed.class, e -> assertThat(e.kind()).isEqualTo(Kind.INVALID))
                .hasMessageContaining("check the credentials");
        assertThatThrownBy(() ->
                        S3BlobStore.open(
                                new S3Config(
                                        config.endpoint(),
                                        "no-such-bucket",
                                        config.region(),
                                        "",
                                        config.keys(),
                                        config.attemptLimit())))
                .isInstanceOfSatisfying(
                        BlobStoreFailed.class, e -> assertThat(e.kind()).isEqualTo(Kind.INVALID))
                .hasMessageContaining("create it first");
    }

    @Test
    void a_store_that_ignores_the_condition_is_refused_at_the_start() throws IOException {
        var stub = stub(200);
        try {
            assertThatThrownBy(() -> S3BlobStore.open(S3Server.config(uri(stub), "any")))
                    .isInstanceOfSatisfying(
                            BlobStoreFailed.class,
                            e -> assertThat(e.kind()).isEqualTo(Kind.INVALID))
                    .hasMessageContaining("If-None-Match");
        } finally {
            stub.stop(0);
        }
    }

    @Test
    void a_store_that_fails_is_asked_again_a_limited_number_of_times() throws IOException {
        var asked = new AtomicInteger();
        var stub = stub(503);
        stub.createContext(
                "/wrenn-test/wrenn/probe",
                exchange -> {
                    asked.incrementAndGet();
                    exchange.sendResponseHeaders(503, -1);
                    exchange.close();
                });
        try {
            assertThatThrownBy(() -> S3BlobStore.open(S3Server.config(uri(stub), "any")))
                    .isInstanceOfSatisfying(
                            BlobStoreFailed.class,
                            e -> assertThat(e.kind()).isEqualTo(Kind.UNAVAILABLE));
            assertThat(asked.get()).isBetween(3, 20);
        } finally {
            stub.stop(0);
        }
    }

    private static HttpServer stub(int status) throws IOException {
        var stub = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        stub.createContext(
                "/",
                exchange -> {
                    exchange.getRequestBody().readAllBytes();
                    exchange.sendResponseHeaders(status, -1);
                    exchange.close();
                });
        stub.start();
        return stub;
    }

    private static URI uri(HttpServer stub) {
        return URI.create("http://127.0.0.1:" + stub.getAddress().getPort());
    }
}
