package dev.wrenn.host.guest;

import dev.wrenn.contract.guest.GuestConnection;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.channels.SocketChannel;

/** A TCP stream to a port inside the guest, as blocking streams. */
final class BridgedConnection implements GuestConnection {
    private final SocketChannel channel;
    private final InputStream input;
    private final OutputStream output;
    private volatile Runnable closeStep = () -> {};

    private BridgedConnection(SocketChannel channel, InputStream input, OutputStream output) {
        this.channel = channel;
        this.input = input;
        this.output = output;
    }

    static BridgedConnection open(GuestAgent agent, int port) {
        var channel = PortDialer.dial(agent, port);
        try {
            return new BridgedConnection(
                    channel, channel.socket().getInputStream(), channel.socket().getOutputStream());
        } catch (IOException e) {
            throw GuestAgent.unanswered(e);
        }
    }

    BridgedConnection onClose(Runnable step) {
        closeStep = step;
        return this;
    }

    @Override
    public InputStream input() {
        return input;
    }

    @Override
    public OutputStream output() {
        return output;
    }

    @Override
    public void shutdownOutput() {
        try {
            channel.shutdownOutput();
        } catch (IOException e) {
            throw GuestAgent.unanswered(e);
        }
    }

    @Override
    public void close() {
        closeStep.run();
        try {
            channel.close();
        } catch (IOException e) {
            throw GuestAgent.unanswered(e);
        }
    }
}
