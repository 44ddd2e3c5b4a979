package dev.wrenn.network;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.wrenn.base.Command;
import dev.wrenn.base.Kind;
import java.util.ArrayList;
import java.util.List;

/**
 * Chains of other programs that drop forwarded packets unless told otherwise, as Docker and ufw set
 * up.
 *
 * <p>nftables needs the consent of every chain of a hook, so one rule at the top of each such chain
 * lets the pool's interfaces pass; {@link HostRules} has judged their packets by then. The rules
 * carry the pool's table name as comment, by which they are found and removed again.
 */
record ForeignFirewall(String table, String interfaces) {
    private static final ObjectMapper JSON = new ObjectMapper();

    private record Chain(String family, String table, String name) {}

    /** Puts the rules where they are missing. */
    void open() {
        for (var chain : droppingChains()) {
            if (ourRules(chain).isEmpty()) {
                var rules = new ArrayList<String>();
                for (var direction : List.of("iifname", "oifname")) {
                    rules.add(
                            "insert rule %s %s %s %s \"%s\" counter accept comment \"%s\""
                                    .formatted(
                                            chain.family,
                                            chain.table,
                                            chain.name,
                                            direction,
                                            interfaces,
                                            table));
                }
                Command.of("nft", "-f", "-").input(String.join("\n", rules) + "\n").run();
            }
        }
    }

    /** Removes them. */
    void close() {
        for (var chain : droppingChains()) {
            for (var handle : ourRules(chain)) {
                Command.of(
                                "nft",
                                "delete",
                                "rule",
                                chain.family,
                                chain.table,
                                chain.name,
                                "handle",
                                Long.toString(handle))
                        .run();
            }
        }
    }

    private List<Chain> droppingChains() {
        var chains = new ArrayList<Chain>();
        for (var entry : ask("nft", "-j", "list", "chains")) {
            var chain = entry.path("chain");
            if (chain.path("hook").asText().equals("forward")
                    && chain.path("policy").asText().equals("drop")
                    && List.of("ip", "inet").contains(chain.path("family").asText())) {
                chains.add(
                        new Chain(
                                chain.path("family").asText(),
                                chain.path("table").asText(),
                                chain.path("name").asText()));
            }
        }
        return chains;
    }

    private List<Long> ourRules(Chain chain) {
        var handles = new ArrayList<Long>();
        var list = ask("nft", "-j", "-a", "list", "chain", chain.family, chain.table, chain.name);
        for (var entry : list) {
            if (entry.path("rule").path("comment").asText().equals(table)) {
                handles.add(entry.path("rule").path("handle").asLong());
            }
        }
        return handles;
    }

    private static List<JsonNode> ask(String... command) {
        try {
            var all = new ArrayList<JsonNode>();
            var answer = JSON.readTree(Command.of(command).run().stdout());
            answer.path("nftables").forEach(all::add);
            return all;
        } catch (JsonProcessingException e) {
            throw new NetworkUnusable(
                    Kind.BUG, "cannot read the answer of " + String.join(" ", command), e);
        }
    }
}
