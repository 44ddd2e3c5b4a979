//! Brings up loopback and the one network card with a static address (netdevice(7)).

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

const CARD: &str = "eth0";
const CARD_LIMIT: Duration = Duration::from_secs(5);

/// Where the guest is.
pub struct Settings {
    /// Own address with prefix length, such as `169.254.0.21/30`.
    pub address: String,
    /// Default gateway.
    pub gateway: String,
}

/// The network cannot be brought up.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// A setting is no address.
    #[error("{0} is no address")]
    Malformed(String),
    /// A call failed.
    #[error("{0}: {1}")]
    Call(&'static str, std::io::Error),
}

/// Configures loopback, the card and the default route.
pub fn bring_up(settings: &Settings) -> Result<(), NetworkError> {
    let (address, mask) = parse(&settings.address)?;
    let gateway = settings
        .gateway
        .parse()
        .map_err(|_| NetworkError::Malformed(settings.gateway.clone()))?;
    let socket = Socket::open()?;
    socket.up("lo")?;
    socket.wait_for(CARD)?;
    socket.set(CARD, libc::SIOCSIFADDR, "set address", address)?;
    socket.set(CARD, libc::SIOCSIFNETMASK, "set netmask", mask)?;
    socket.up(CARD)?;
    socket.default_route(gateway)
}

fn parse(text: &str) -> Result<(Ipv4Addr, Ipv4Addr), NetworkError> {
    let malformed = || NetworkError::Malformed(text.to_owned());
    let (address, prefix) = text.split_once('/').ok_or_else(malformed)?;
    let address = address.parse().map_err(|_| malformed())?;
    let prefix: u32 = prefix.parse().map_err(|_| malformed())?;
    if prefix > 32 {
        return Err(malformed());
    }
    let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
    Ok((address, Ipv4Addr::from(mask)))
}

struct Socket(std::net::UdpSocket);

impl Socket {
    fn open() -> Result<Self, NetworkError> {
        std::net::UdpSocket::bind("0.0.0.0:0")
            .map(Self)
            .map_err(|e| NetworkError::Call("socket", e))
    }

    fn call<T>(
        &self,
        request: libc::c_ulong,
        what: &'static str,
        argument: &mut T,
    ) -> Result<(), NetworkError> {
        use std::os::fd::AsRawFd;
        // SAFETY: each caller passes the struct its request takes (netdevice(7), rtnetlink(7)).
        if unsafe { libc::ioctl(self.0.as_raw_fd(), request as _, argument) } != 0 {
            return Err(NetworkError::Call(what, std::io::Error::last_os_error()));
        }
        Ok(())
    }

    fn up(&self, card: &str) -> Result<(), NetworkError> {
        let mut request = named(card);
        request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as i16;
        self.call(libc::SIOCSIFFLAGS, "bring link up", &mut request)
    }

    /// The driver may still be looking at its device.
    fn wait_for(&self, card: &str) -> Result<(), NetworkError> {
        let start = Instant::now();
        loop {
            let mut request = named(card);
            match self.call(libc::SIOCGIFINDEX, "find network card", &mut request) {
                Ok(()) => return Ok(()),
                Err(error) if start.elapsed() > CARD_LIMIT => return Err(error),
                Err(_) => std::thread::sleep(Duration::from_millis(2)),
            }
        }
    }

    fn set(
        &self,
        card: &str,
        request: libc::c_ulong,
        what: &'static str,
        address: Ipv4Addr,
    ) -> Result<(), NetworkError> {
        let mut argument = named(card);
        argument.ifr_ifru.ifru_addr = socket_address(address);
        self.call(request, what, &mut argument)
    }

    fn default_route(&self, gateway: Ipv4Addr) -> Result<(), NetworkError> {
        // SAFETY: all-zero bytes are a valid rtentry: no device, no metric.
        let mut route: libc::rtentry = unsafe { std::mem::zeroed() };
        route.rt_dst = socket_address(Ipv4Addr::UNSPECIFIED);
        route.rt_genmask = socket_address(Ipv4Addr::UNSPECIFIED);
        route.rt_gateway = socket_address(gateway);
        route.rt_flags = libc::RTF_UP | libc::RTF_GATEWAY;
        self.call(libc::SIOCADDRT, "add default route", &mut route)
    }
}

fn named(card: &str) -> libc::ifreq {
    // SAFETY: all-zero bytes are a valid ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(card.bytes()) {
        *to = from as libc::c_char;
    }
    request
}

fn socket_address(address: Ipv4Addr) -> libc::sockaddr {
    let inet = libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: 0,
        sin_addr: libc::in_addr {
            s_addr: u32::from_ne_bytes(address.octets()),
        },
        sin_zero: [0; 8],
    };
    // SAFETY: both structs have 16 bytes and any bytes are valid in either.
    unsafe { std::mem::transmute::<libc::sockaddr_in, libc::sockaddr>(inet) }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn prefix_lengths_become_masks() {
        let (address, mask) = parse("169.254.0.21/30").expect("valid");
        assert_eq!(address.to_string(), "169.254.0.21");
        assert_eq!(mask.to_string(), "255.255.255.252");
        assert_eq!(parse("10.0.0.1/0").expect("valid").1.to_string(), "0.0.0.0");
        assert!(parse("10.0.0.1").is_err());
        assert!(parse("10.0.0.1/33").is_err());
    }
}
