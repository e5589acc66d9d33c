import assert from "node:assert/strict";
import { proxyFromEnvironment, proxyFromScutil } from "../../lib/host/proxy.ts";

const NONE = { http: "", https: "", except: [] };

function read(variables: Readonly<Record<string, string>>) {
  return proxyFromEnvironment((name) => variables[name]);
}

Deno.test("proxyFromEnvironment() reads the variables as curl does", () => {
  const table: (readonly [Record<string, string>, unknown])[] = [
    [{}, NONE],
    [{ http_proxy: "http://p:1/" }, { http: "http://p:1", https: "", except: [] }],
    [{ HTTP_PROXY: "http://P:1" }, { http: "http://P:1", https: "", except: [] }],
    [{ http_proxy: "http://low:1", HTTP_PROXY: "http://up:1" }, {
      http: "http://low:1",
      https: "",
      except: [],
    }],
    [{ HTTP_PROXY: "http://evil:1", REQUEST_METHOD: "GET" }, NONE],
    [{ http_proxy: "http://p:1", REQUEST_METHOD: "GET" }, { http: "http://p:1", https: "", except: [] }],
    [{ https_proxy: "p:3128" }, { http: "", https: "http://p:3128", except: [] }],
    [{ all_proxy: "http://a:1", https_proxy: "http://s:2" }, {
      http: "http://a:1",
      https: "http://s:2",
      except: [],
    }],
    [{ ALL_PROXY: "p:1" }, { http: "http://p:1", https: "http://p:1", except: [] }],
    [{ all_proxy: "socks5://p:1" }, NONE],
    [{ http_proxy: "socks5://p:1" }, { http: "socks5://p:1", https: "", except: [] }],
    [{ http_proxy: "http://p:1", no_proxy: "a.test, .b.test ,10.0.0.0/8" }, {
      http: "http://p:1",
      https: "",
      except: ["a.test", ".b.test", "10.0.0.0/8"],
    }],
    [{ http_proxy: "http://p:1", no_proxy: "*" }, NONE],
    [{ no_proxy: "a.test" }, NONE],
  ];
  for (const [variables, expected] of table) {
    assert.deepEqual(read(variables), expected, JSON.stringify(variables));
  }
});

const SCUTIL = `<dictionary> {
  ExceptionsList : <array> {
    0 : *.local
    1 : 169.254/16
    2 : intranet.test
  }
  ExcludeSimpleHostnames : 0
  FTPPassive : 1
  HTTPEnable : 1
  HTTPPort : 3128
  HTTPProxy : proxy.corp.test
  HTTPSEnable : 0
  HTTPSPort : 3129
  HTTPSProxy : other.corp.test
}
`;

Deno.test("proxyFromScutil() reads what is enabled, with the exceptions as other systems write them", () => {
  assert.deepEqual(proxyFromScutil(SCUTIL), {
    http: "http://proxy.corp.test:3128",
    https: "",
    except: [".local", "169.254.0.0/16", "intranet.test"],
  });
  const both = SCUTIL.replace("HTTPSEnable : 0", "HTTPSEnable : 1");
  assert.equal(proxyFromScutil(both).https, "http://other.corp.test:3129");
});

Deno.test("proxyFromScutil() finds none where none is enabled", () => {
  assert.deepEqual(proxyFromScutil(SCUTIL.replace("HTTPEnable : 1", "HTTPEnable : 0")), NONE);
  assert.deepEqual(proxyFromScutil("<dictionary> {\n}\n"), NONE);
});
