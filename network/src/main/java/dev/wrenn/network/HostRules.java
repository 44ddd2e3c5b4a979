package dev.wrenn.network;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;

/**
 * The nft table of a pool on the host, as text.
 *
 * <p>It stands in front of the machine's own filter chains (priority −10): what it refuses is
 * refused, what it lets pass is still judged by the others. Every rule is bound to the interfaces
 * of the pool, so no other traffic of the machine is touched. A name like {@code wrn-*} cannot
 * match the interfaces of another pool, because prefixes have no dash.
 */
record HostRules(NetworkConfig config, AddressBlock block) {
    /** Name of the table, in the family inet. */
    String table() {
        return table(config.prefix());
    }

    static String table(String prefix) {
        return prefix + "_slots";
    }

    /** The pattern of the interfaces of the pool. */
    String interfaces() {
        return config.prefix() + "-*";
    }

    /** Replaces the table in one transaction, so running guests are never without it. */
    String install() {
        return """
        table inet ${table}
        delete table inet ${table}
        table inet ${table} {
            set denied {
                type ipv4_addr; flags interval; auto-merge
                elements = { ${denied} }
            }
            set resolvers {
                type ipv4_addr
                elements = { ${resolvers} }
            }
            chain input {
                type filter hook input priority filter - 10; policy accept;
                iifname "${interfaces}" jump to_host
            }
            chain to_host {
                ct state established ct direction reply accept
                ct state related meta l4proto icmp accept
                reject with icmpx type admin-prohibited
            }
            chain forward {
                type filter hook forward priority filter - 10; policy accept;
                iifname "${interfaces}" jump from_slot
                oifname "${interfaces}" jump to_slot
            }
            chain from_slot {
                meta nfproto ipv6 drop
                ip saddr != ${block} drop
                oifname "${interfaces}" reject with icmpx type admin-prohibited
                tcp flags syn tcp option maxseg size set rt mtu
                ct state established,related accept
                ip daddr @resolvers meta l4proto { tcp, udp } th dport 53 accept
                ip daddr @denied reject with icmpx type admin-prohibited
                accept
            }
            chain to_slot {
                ct state established,related accept
                reject with icmpx type admin-prohibited
            }
            chain postrouting {
                type nat hook postrouting priority srcnat; policy accept;
                ip saddr ${block} oifname != "${interfaces}" masquerade
            }
        }
        """
                .replace("${table}", table())
                .replace("${interfaces}", interfaces())
                .replace("${block}", block.toString())
                .replace("${denied}", join(denied()))
                .replace("${resolvers}", join(resolvers()));
    }

    /** Removes the table whether or not it is there. */
    static String remove(String prefix) {
        return """
        table inet ${table}
        delete table inet ${table}
        """
                .replace("${table}", table(prefix));
    }

    private List<String> denied() {
        var ranges = new ArrayList<>(config.denied());
        ranges.add(config.slotRange());
        ranges.add(block.range());
        return ranges.stream().map(Cidr::toString).distinct().toList();
    }

    private List<String> resolvers() {
        return config.resolvers().stream().map(r -> r.getHostAddress()).distinct().toList();
    }

    private static String join(List<String> elements) {
        return elements.stream().collect(Collectors.joining(", "));
    }
}
