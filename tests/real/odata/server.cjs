// Serves our $metadata at our service root with SAP's mock server: node server.cjs <metadata.xml> <mock data folder>
// Says its port on the first line of standard output; port 0 takes a free one.
"use strict";
const http = require("node:http");
const { default: MockServer } = require("@sap-ux/fe-mockserver-core");

const [metadataPath, mockdataPath] = process.argv.slice(2);
const mock = new MockServer({
  services: [
    {
      urlPath: "/sap/opu/odata/sap/API_SALES_ORDER_SRV",
      metadataPath,
      mockdataPath,
    },
  ],
});

mock.isReady.then(() => {
  const server = http.createServer((request, response) => {
    mock.getRouter()(request, response, () => {
      response.statusCode = 404;
      response.end();
    });
  });
  server.listen(0, "127.0.0.1", () => process.stdout.write(`${server.address().port}\n`));
});
