package dev.wrenn.gateway;

import dev.wrenn.base.WrennException;
import dev.wrenn.contract.gateway.Admission;
import dev.wrenn.contract.gateway.CapsuleDoor;
import java.util.Optional;
import org.eclipse.jetty.http.HttpMethod;
import org.eclipse.jetty.http.HttpStatus;
import org.eclipse.jetty.server.Handler;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.util.Callback;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Stands in front of the API on the same listener and takes the requests whose host names a port of
 * a capsule: {@code {port}-{capsule id}.domain}. All others go on to the handler behind it.
 *
 * <p>It lives and dies with the server that it is put into.
 */
public final class Gateway extends Handler.Wrapper {
    private static final Logger LOG = LoggerFactory.getLogger(Gateway.class);

    private final CapsuleDoor door;
    private final Routing routing = new HostRouting();
    private final Passages passages = new Passages();
    private final PortProxy proxy;

    /** In front of those capsules. */
    public Gateway(CapsuleDoor door, GatewayConfig config) {
        this.door = door;
        this.proxy = new PortProxy(config);
        installBean(proxy);
    }

    @Override
    protected void doStart() throws Exception {
        proxy.setServer(getServer());
        super.doStart();
    }

    @Override
    public boolean handle(Request request, Response response, Callback callback) throws Exception {
        var host = request.getHttpURI().getHost();
        var route =
                host == null ? Optional.<Route>empty() : routing.route(host, request.getHeaders());
        if (route.isEmpty()) {
            return super.handle(request, response, callback);
        }
        switch (route.get()) {
            case Route.Nowhere(int status, String message) ->
                    Answers.send(response, callback, status, message);
            case Route.ToPort to -> enter(to, request, response, callback);
        }
        return true;
    }

    private void enter(Route.ToPort to, Request request, Response response, Callback callback) {
        if (HttpMethod.CONNECT.is(request.getMethod())) {
            Answers.send(
                    response,
                    callback,
                    HttpStatus.METHOD_NOT_ALLOWED_405,
                    "CONNECT is not possible here; the host name says where a request goes");
            return;
        }
        try {
            var key = Optional.ofNullable(request.getHeaders().get(Credentials.API_KEY));
            switch (door.admit(to.capsule(), key)) {
                case Admission.Refused(var reason, var message) ->
                        Answers.send(response, callback, Answers.statusOf(reason), message);
                case Admission.Granted(var ports) -> {
                    var visit = Visit.begin(passages.of(ports), to.port());
                    request.setAttribute(Visit.ATTRIBUTE, visit);
                    proxy.handle(request, response, callback);
                }
            }
        } catch (WrennException e) {
            LOG.atWarn().setCause(e).addKeyValue("capsule", to.capsule()).log("cannot proxy");
            Answers.send(response, callback, HttpStatus.SERVICE_UNAVAILABLE_503, e.shownMessage());
        }
    }

    /** How many runs it has connections to. */
    int openPassages() {
        return passages.size();
    }
}
