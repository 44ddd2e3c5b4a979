package dev.wrenn.network;

import java.net.Inet4Address;
import java.nio.file.Path;
import java.util.List;

/**
 * The commands that make and remove slots, as text.
 *
 * <pre>
 * host                              | namespace PREFIX-I
 * PREFIX-I  HOST peer ADDRESS  ─────┼── uplink    tap0 169.254.0.22/30 ──── guest 169.254.0.21
 *           one route to ADDRESS    |   ADDRESS ⇄ 169.254.0.21 (nft)
 * </pre>
 *
 * <p>Only the names and ADDRESS differ between slots. All neighbours are static and all MAC
 * addresses constant: the first packet after a resume needs no ARP, and a guest's own ARP entry for
 * its gateway stays right in whatever slot it wakes up.
 */
record SlotPlan(
        String prefix, AddressBlock block, List<Inet4Address> resolvers, int maxConnections) {
    private static final String HOST_MAC = "02:fc:00:00:01:01";
    private static final String UPLINK_MAC = "02:fc:00:00:01:02";
    private static final String TAP_MAC = "02:fc:00:00:00:01";

    SlotPlan {
        resolvers = List.copyOf(resolvers);
    }

    /** The slot of that index. */
    Slot slot(int index) {
        return new Slot(index, name(index), block.slotAddress(index));
    }

    /** Name of the namespace and of the host's end of the veth pair. */
    String name(int index) {
        return prefix + "-" + index;
    }

    /**
     * One {@code ip -batch} that makes the slot. The two files hold {@link #insideLinks} and {@link
     * #insideRules}.
     */
    String build(int index, Path linksFile, Path rulesFile) {
        // The link gets its MAC at birth: udev renames the ones that the kernel made up.
        return """
        netns add ${name}
        link add ${name} address ${host-mac} type veth peer name uplink address ${uplink-mac} netns ${name}
        netns exec ${name} sysctl -q -e -w net.ipv4.ip_forward=1 net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.all.send_redirects=0
        addr add ${host} peer ${address}/32 dev ${name}
        link set dev ${name} up
        neigh replace ${address} lladdr ${uplink-mac} nud permanent dev ${name}
        netns exec ${name} ip -batch ${links-file}
        netns exec ${name} nft -D address=${address} -f ${rules-file}
        """
                .replace("${name}", name(index))
                .replace("${host-mac}", HOST_MAC)
                .replace("${uplink-mac}", UPLINK_MAC)
                .replace("${links-file}", linksFile.toString())
                .replace("${rules-file}", rulesFile.toString())
                .replace("${host}", block.hostAddress().getHostAddress())
                .replace("${address}", block.slotAddress(index).getHostAddress());
    }

    /** One {@code ip -force -batch} that removes the slot, complete or not. */
    String remove(int index) {
        return """
        link del dev ${name}
        netns del ${name}
        """
                .replace("${name}", name(index));
    }

    /** The {@code ip -batch} inside the namespace; the same for every slot of the pool. */
    String insideLinks() {
        // The route comes last: a namespace without any address takes no gateway (Linux
        // net/ipv4/fib_frontend.c, __inet_dev_addr_type: no local table, so "broadcast").
        return """
        link set dev uplink up
        neigh replace ${host} lladdr ${host-mac} nud permanent dev uplink
        tuntap add dev tap0 mode tap
        link set dev tap0 address ${tap-mac}
        addr add ${gateway}/${length} dev tap0
        link set dev tap0 up
        neigh replace ${guest} lladdr ${guest-mac} nud permanent dev tap0
        route add default via ${host} dev uplink onlink
        """
                .replace("${host}", block.hostAddress().getHostAddress())
                .replace("${host-mac}", HOST_MAC)
                .replace("${tap-mac}", TAP_MAC)
                .replace("${gateway}", Slot.GATEWAY_ADDRESS)
                .replace("${length}", Integer.toString(Slot.PREFIX_LENGTH))
                .replace("${guest}", Slot.GUEST_ADDRESS)
                .replace("${guest-mac}", Slot.GUEST_MAC);
    }

    /**
     * The nft rules inside the namespace; the slot's address is the variable {@code $address}.
     *
     * <p>Only the host's own address may open a connection to the guest, so a reply that was meant
     * for an earlier guest of the same slot never reaches the next one. What the guest sends to the
     * gateway itself is refused at once, so connections that did not survive a pause end instead of
     * hanging.
     */
    String insideRules() {
        return """
        table ip slot {
            chain arriving {
                type nat hook prerouting priority dstnat; policy accept;
                iifname "uplink" ip saddr ${host} ip daddr $address dnat to ${guest}
                iifname "tap0" ip daddr ${resolver-1} meta l4proto { tcp, udp } th dport 53 dnat to ${first}
                iifname "tap0" ip daddr ${resolver-2} meta l4proto { tcp, udp } th dport 53 dnat to ${second}
            }
            chain leaving {
                type nat hook postrouting priority srcnat; policy accept;
                oifname "uplink" snat to $address
                oifname "tap0" snat to ${gateway}
            }
            chain to_gateway {
                type filter hook input priority filter; policy drop;
                iifname "tap0" ip saddr ${guest} icmp type echo-request accept
                iifname "tap0" ip saddr ${guest} meta l4proto tcp reject with tcp reset
            }
            chain through {
                type filter hook forward priority filter; policy drop;
                ct state invalid drop
                ct state established,related accept
                iifname "uplink" oifname "tap0" ip saddr ${host} ip daddr ${guest} accept
                iifname "tap0" oifname "uplink" ip saddr ${guest} jump from_guest
            }
            chain from_guest {
                ip daddr ${block} drop
                ct count over ${max-connections} reject with icmp type admin-prohibited
                accept
            }
        }
        """
                .replace("${host}", block.hostAddress().getHostAddress())
                .replace("${block}", block.toString())
                .replace("${guest}", Slot.GUEST_ADDRESS)
                .replace("${gateway}", Slot.GATEWAY_ADDRESS)
                .replace("${resolver-1}", Slot.GUEST_RESOLVERS.getFirst())
                .replace("${resolver-2}", Slot.GUEST_RESOLVERS.getLast())
                .replace("${first}", resolvers.getFirst().getHostAddress())
                .replace("${second}", resolvers.getLast().getHostAddress())
                .replace("${max-connections}", Integer.toString(maxConnections));
    }
}
