// What the independent server answers: data areas as plain objects, put into XML by the SOAP stack itself.
const done = { RetCode: "0000", RetMsg: "成功" };
const car = { VehicleID: "LDCA1AB57SB000001", MakeCode: "ASTER", ModelCode: "A5", SalesRegionCode: "EAST" };
const column = (...entries) => ({ V: entries });

const appointment = (extra) => ({
  DocumentID: "AP7",
  AppointmentConfirmationCode: "CF7",
  DealerNumberID: "SH0217",
  DealerRegionCode: "EAST",
  ...car,
  ExternalPartyID: "C0043",
  ContactName: "𠮷田健 & <Söhne>",
  AppointmentDateTime: "2026-03-12T09:30:00",
  EndDateTime: "20260312103000",
  AppointmentStatus: "20",
  AppointmentType: "I",
  PickupIndicator: "0",
  OrderInternalNotes: "内部备注",
  Jobs: {
    OpCode: column("1010"),
    OpText: column("年度保养"),
    OpTextEN: column("Annual service"),
    Hours: column("1.20"),
    PayType: column("C"),
  },
  ...extra,
});

const table = {
  GetVehicle: () => ["ShowVehicle", {
    ...done,
    Vehicle: {
      ...car,
      TrimCode: "A5-PRO",
      ExteriorColorCode: "K1W",
      LicensePlate: "沪AD92430",
      InDistanceMeasure: { attributes: { unitCode: "KMT" }, $value: 30151 },
      ProductionDate: "20250312000000",
      ServicingDealerNumberID: "SH0217",
      OptionCode: column("A2P"),
    },
  }],
  GetWarranty: () => ["ShowWarranty", {
    ...done,
    WarrantyTypeCode: column("10", "40"),
    StartDate: column("20250401", "20250401"),
    EndDate: column("20290331", "20280331"),
    LimitDistance: column("120000", ""),
  }],
  GetServiceAppointment: () => ["ShowServiceAppointment", { ...done, ServiceAppointment: [appointment()] }],
  GetRepairOrder: () => ["ShowRepairOrder", { RetCode: "0", RetMsg: "" }],
  GetAppointmentAvailability: () => ["ShowAppointmentAvailability", {
    ...done,
    StartDateTime: column("20260312093000"),
    EndDateTime: column("20260312103000"),
    RemainingCapacity: column("2"),
  }],
  ProcessServiceAppointment: (bod) => {
    const wanted = bod.ProcessServiceAppointmentDataArea.ServiceAppointment;
    return ["AcknowledgeServiceAppointment", {
      ...done,
      ServiceAppointment: [appointment({
        ContactName: wanted.ContactName,
        AppointmentDateTime: wanted.AppointmentDateTime,
        AppointmentStatus: wanted.AppointmentStatus,
        CustomerComments: wanted.CustomerComments,
      })],
    }];
  },
  confirm: () => ["ConfirmBOD", {
    RetCode: "E3001",
    RetMsg: "该时段已约满",
    BOD: {
      OriginalBODID: "6f1f7f0e-9c8b-4a57-8a8e-6d8f3a6f0b11",
      BODFailureMessage: { ErrorProcessMessage: { Description: "该时段已约满", ReasonCode: "E3001" } },
    },
  }],
};

export function answers(name, bod) {
  if (name === "fault") {
    throw { Fault: { faultcode: "soap:Server", faultstring: "内部错误" } };
  }
  return table[name](bod);
}
