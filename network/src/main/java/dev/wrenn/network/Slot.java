package dev.wrenn.network;

import java.net.Inet4Address;
import java.nio.file.Path;
import java.util.List;

/**
 * A prepared network place for one guest: a namespace with a tap, joined to the host by a veth pair
 * and 1:1 NAT.
 *
 * <p>Inside, every slot of every machine looks the same (the constants below), so that a guest does
 * not notice that it was resumed in another one. The host reaches the guest at {@link
 * #hostAddress()}, and only the host does.
 *
 * @param index 1 and up; unique in its pool, the only thing that must be journalled
 * @param namespace name of the network namespace in which the VMM must open the tap
 * @param hostAddress where processes of the host reach the guest
 */
public record Slot(int index, String namespace, Inet4Address hostAddress) {
    /** The address of the guest, inside. */
    public static final String GUEST_ADDRESS = "169.254.0.21";

    /** The gateway of the guest, inside; connections from the host seem to come from here. */
    public static final String GATEWAY_ADDRESS = "169.254.0.22";

    /** The prefix length that goes with the two addresses. */
    public static final int PREFIX_LENGTH = 30;

    /**
     * The name servers of the guest, inside. The slot sends port 53 of these to the resolvers of
     * {@link NetworkConfig#resolvers()}, so a guest keeps its resolv.conf when it moves to a host
     * that uses others.
     */
    public static final List<String> GUEST_RESOLVERS = List.of("169.254.0.53", "169.254.0.54");

    /** The tap in the namespace. */
    public static final String TAP = "tap0";

    /** The MAC address that the guest must have; the slot knows it as a static neighbour. */
    public static final String GUEST_MAC = "02:fc:00:00:00:05";

    /** Name of the tap in the namespace. */
    public String tap() {
        return TAP;
    }

    /** MAC address that the guest must have. */
    public String macAddress() {
        return GUEST_MAC;
    }

    /** Where iproute2 keeps the namespace (ip-netns(8)); opening it gives an fd for setns(2). */
    public Path namespacePath() {
        return Inventory.NAMESPACES.resolve(namespace);
    }
}
