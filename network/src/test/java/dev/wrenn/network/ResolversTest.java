package dev.wrenn.network;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.Inet4Address;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.DisplayNameGeneration;
import org.junit.jupiter.api.DisplayNameGenerator.ReplaceUnderscores;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@DisplayNameGeneration(ReplaceUnderscores.class)
final class ResolversTest {
    @TempDir Path folder;

    @Test
    void public_resolvers_of_the_host_are_taken_in_order_and_at_most_two() throws IOException {
        var file =
                resolvConf(
                        """
                        search example.org
                        nameserver 10.0.0.2
                        nameserver 2001:db8::1
                        nameserver\t9.9.9.9
                        nameserver 9.9.9.9
                        nameserver 1.0.0.1
                        nameserver 8.8.4.4
                        """);

        assertThat(Resolvers.of(file))
                .containsExactly(
                        Inet4Address.ofLiteral("9.9.9.9"), Inet4Address.ofLiteral("1.0.0.1"));
    }

    @Test
    void a_private_resolver_is_never_taken_by_itself() throws IOException {
        var file = resolvConf("nameserver 192.168.1.1\nnameserver 127.0.0.53\nnameserver x\n");

        assertThat(Resolvers.of(file, folder.resolve("absent"))).isEqualTo(Resolvers.PUBLIC);
    }

    private Path resolvConf(String text) throws IOException {
        return Files.writeString(folder.resolve("resolv.conf"), text);
    }
}
