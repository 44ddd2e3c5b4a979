package dev.wrenn.network;

import java.io.IOException;
import java.net.Inet4Address;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/**
 * Which name servers guests use unless the operator names some.
 *
 * <p>A private resolver of the host is never taken by itself: it would let guests see the names of
 * the network around the host. Where public ones cannot be reached, the operator names the private
 * one, and then guests reach exactly its port 53.
 */
public final class Resolvers {
    /** Two public resolvers of different operators. */
    public static final List<Inet4Address> PUBLIC =
            List.of(Inet4Address.ofLiteral("1.1.1.1"), Inet4Address.ofLiteral("8.8.8.8"));

    private Resolvers() {}

    /** The public resolvers of this host, else {@link #PUBLIC}. */
    public static List<Inet4Address> ofHost() {
        // systemd-resolved puts its stub into /etc/resolv.conf and the real ones into the second
        // file (systemd-resolved.service(8)).
        return of(Path.of("/etc/resolv.conf"), Path.of("/run/systemd/resolve/resolv.conf"));
    }

    static List<Inet4Address> of(Path... files) {
        var found =
                Stream.of(files)
                        .flatMap(file -> lines(file).stream())
                        .map(String::strip)
                        .filter(line -> line.startsWith("nameserver"))
                        .map(line -> line.substring("nameserver".length()).strip())
                        .flatMap(Resolvers::address)
                        .filter(address -> isPublic(address))
                        .distinct()
                        .limit(2)
                        .toList();
        return found.isEmpty() ? PUBLIC : found;
    }

    private static boolean isPublic(Inet4Address address) {
        return NetworkConfig.NOT_PUBLIC.stream().noneMatch(range -> range.contains(address));
    }

    private static Stream<Inet4Address> address(String text) {
        try {
            return Stream.of(Inet4Address.ofLiteral(text));
        } catch (IllegalArgumentException _) {
            return Stream.empty(); // an IPv6 resolver: guests have no IPv6
        }
    }

    private static List<String> lines(Path file) {
        try {
            return Files.readAllLines(file);
        } catch (IOException _) {
            return List.of(); // most machines lack one of the two
        }
    }
}
