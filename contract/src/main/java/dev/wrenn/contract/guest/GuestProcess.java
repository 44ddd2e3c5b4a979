package dev.wrenn.contract.guest;

import java.util.List;
import java.util.Optional;

/** A live process that was started through the guest agent, as its caller named it. */
public record GuestProcess(int pid, Optional<String> tag, String command, List<String> arguments) {
    /** Copies the list. */
    public GuestProcess {
        arguments = List.copyOf(arguments);
    }
}
