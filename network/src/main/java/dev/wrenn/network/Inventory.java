package dev.wrenn.network;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.wrenn.base.Command;
import dev.wrenn.base.Kind;
import java.io.IOException;
import java.net.Inet4Address;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * What is on the machine right now: the namespaces and links of one prefix, and every IPv4 route.
 *
 * @param namespaces indexes of slots that have a namespace
 * @param links indexes of slots whose host end is there
 * @param addresses the slot addresses to which a route leads, by index
 * @param routes destinations of all IPv4 routes but the default ones and those to the slots
 */
record Inventory(
        Set<Integer> namespaces,
        Set<Integer> links,
        Map<Integer, Inet4Address> addresses,
        List<Cidr> routes) {
    /** Where iproute2 keeps named namespaces, ip-netns(8). */
    static final Path NAMESPACES = Path.of("/run/netns");

    private static final ObjectMapper JSON = new ObjectMapper();

    Inventory {
        namespaces = Set.copyOf(namespaces);
        links = Set.copyOf(links);
        addresses = Map.copyOf(addresses);
        routes = List.copyOf(routes);
    }

    /** Looks at the machine. */
    static Inventory take(String prefix) {
        var ours = Pattern.compile(Pattern.quote(prefix) + "-([1-9][0-9]{0,3})");
        var links =
                ask("ip", "-j", "link", "show").stream()
                        .map(link -> indexOf(ours, link.path("ifname").asText()))
                        .flatMap(Optional::stream)
                        .collect(Collectors.toSet());
        var addresses = new HashMap<Integer, Inet4Address>();
        var routes = new ArrayList<Cidr>();
        for (var route : ask("ip", "-4", "-j", "route", "show", "table", "all")) {
            var destination = route.path("dst").asText();
            if (destination.equals("default")) {
                continue;
            }
            var index = indexOf(ours, route.path("dev").asText());
            if (index.isEmpty()) {
                routes.add(Cidr.parse(destination));
            } else if (!route.path("type").asText().equals("local")) {
                addresses.put(index.get(), Inet4Address.ofLiteral(destination));
            }
        }
        return new Inventory(namespaces(ours), links, addresses, routes);
    }

    /** Every slot of which anything is left. */
    Set<Integer> slots() {
        var all = new TreeSet<>(namespaces);
        all.addAll(links);
        return all;
    }

    private static Set<Integer> namespaces(Pattern ours) {
        if (!Files.isDirectory(NAMESPACES)) {
            return Set.of(); // no namespace was ever made since the machine started
        }
        try (var files = Files.list(NAMESPACES)) {
            return files.map(file -> indexOf(ours, file.getFileName().toString()))
                    .flatMap(Optional::stream)
                    .collect(Collectors.toSet());
        } catch (IOException e) {
            throw new NetworkUnusable(Kind.UNAVAILABLE, "cannot list the network namespaces", e);
        }
    }

    private static Optional<Integer> indexOf(Pattern ours, String name) {
        var matcher = ours.matcher(name);
        return matcher.matches()
                ? Optional.of(Integer.parseInt(matcher.group(1)))
                : Optional.empty();
    }

    private static List<JsonNode> ask(String... command) {
        var output = Command.of(command).run().stdout();
        try {
            var all = new ArrayList<JsonNode>();
            JSON.readTree(output.isBlank() ? "[]" : output).forEach(all::add);
            return all;
        } catch (JsonProcessingException e) {
            throw new NetworkUnusable(
                    Kind.BUG, "cannot read the answer of " + String.join(" ", command), e);
        }
    }
}
