"""The service's entity types as one table, from which both `$metadata` (EDMX 1.0, OData 2.0) and the JSON are made."""

from __future__ import annotations

from dataclasses import dataclass
from xml.sax.saxutils import quoteattr

NAMESPACE = "API_SALES_ORDER_SRV"


@dataclass(frozen=True, slots=True)
class Property:
    """`facets` are EDM attributes such as MaxLength."""

    type: str
    facets: str = ""


@dataclass(frozen=True, slots=True)
class Navigation:
    """To many, by the properties that both ends share."""

    entity_set: str
    shared: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EntityType:
    key: tuple[str, ...]
    properties: dict[str, Property]
    navigations: dict[str, Navigation]
    etag: bool = False


def _string(length: int) -> Property:
    return Property("Edm.String", f'MaxLength="{length}"')


def _decimal(precision: int, scale: int) -> Property:
    return Property("Edm.Decimal", f'Precision="{precision}" Scale="{scale}"')


_DAY = Property("Edm.DateTime", 'Precision="0"')
_INSTANT = Property("Edm.DateTimeOffset", 'Precision="7"')
_CURRENCY = {"TransactionCurrency": _string(5)}

# By entity set; the type is called as the set with "Type" behind it, as SAP Gateway does.
ENTITY_SETS: dict[str, EntityType] = {
    "A_SalesOrder": EntityType(
        ("SalesOrder",),
        {
            "SalesOrder": _string(10),
            "SalesOrderType": _string(4),
            "SalesOrganization": _string(4),
            "DistributionChannel": _string(2),
            "OrganizationDivision": _string(2),
            "SoldToParty": _string(10),
            "PurchaseOrderByCustomer": _string(35),
            "CreationDate": _DAY,
            "LastChangeDateTime": _INSTANT,
            "RequestedDeliveryDate": _DAY,
            "TotalNetAmount": _decimal(16, 3),
            **_CURRENCY,
            "OverallSDProcessStatus": _string(1),
            "OverallSDDocumentRejectionSts": _string(1),
        },
        {
            "to_Item": Navigation("A_SalesOrderItem", ("SalesOrder",)),
            "to_PricingElement": Navigation("A_SalesOrderHeaderPrElement", ("SalesOrder",)),
        },
        etag=True,
    ),
    "A_SalesOrderItem": EntityType(
        ("SalesOrder", "SalesOrderItem"),
        {
            "SalesOrder": _string(10),
            "SalesOrderItem": _string(6),
            "Material": _string(40),
            "SalesOrderItemText": _string(40),
            "RequestedQuantity": _decimal(15, 3),
            "RequestedQuantityUnit": _string(3),
            "NetAmount": _decimal(16, 3),
            "TaxAmount": _decimal(16, 3),
            **_CURRENCY,
            "SalesDocumentRjcnReason": _string(2),
        },
        {},
        etag=True,
    ),
    "A_SalesOrderHeaderPrElement": EntityType(
        ("SalesOrder", "PricingProcedureStep", "PricingProcedureCounter"),
        {
            "SalesOrder": _string(10),
            "PricingProcedureStep": _string(3),
            "PricingProcedureCounter": _string(3),
            "ConditionType": _string(4),
            "ConditionAmount": _decimal(16, 3),
            **_CURRENCY,
        },
        {},
    ),
    "A_SlsPrcgConditionRecord": EntityType(
        ("ConditionRecord",),
        {
            "ConditionRecord": _string(10),
            "ConditionType": _string(4),
            "Material": _string(40),
            "ConditionRateValue": _decimal(24, 9),
            "ConditionRateValueUnit": _string(5),
            "ConditionValidityStartDate": _DAY,
            "ConditionValidityEndDate": _DAY,
        },
        {},
    ),
    "ZC_AvailableToPromise": EntityType(
        ("Material", "Plant"),
        {"Material": _string(40), "Plant": _string(4), "AvailableQuantity": _decimal(15, 3), "BaseUnit": _string(3)},
        {},
    ),
}


def metadata() -> str:
    """The `$metadata` document."""
    types, associations, sets, ends = [], [], [], []
    for name, kind in ENTITY_SETS.items():
        types.append(_entity_type(name, kind))
        sets.append(f'        <EntitySet Name="{name}" EntityType="{NAMESPACE}.{name}Type"/>')
        for navigation, target in kind.navigations.items():
            association = f"assoc_{name}_{navigation}"
            associations.append(_association(association, name, target))
            ends.append(
                f'        <AssociationSet Name="{association}_Set" Association="{NAMESPACE}.{association}">\n'
                f'          <End EntitySet="{name}" Role="FromRole"/>\n'
                f'          <End EntitySet="{target.entity_set}" Role="ToRole"/>\n'
                "        </AssociationSet>"
            )
    container = f'      <EntityContainer Name="{NAMESPACE}_Entities" m:IsDefaultEntityContainer="true">'
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        '<edmx:Edmx Version="1.0" xmlns:edmx="http://schemas.microsoft.com/ado/2007/06/edmx"',
        '    xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata">',
        '  <edmx:DataServices m:DataServiceVersion="2.0">',
        f'    <Schema Namespace="{NAMESPACE}" xmlns="http://schemas.microsoft.com/ado/2008/09/edm">',
        *types,
        *associations,
        container,
        *sets,
        *ends,
        "      </EntityContainer>",
        "    </Schema>",
        "  </edmx:DataServices>",
        "</edmx:Edmx>",
    ]
    return "\n".join(lines) + "\n"


def _entity_type(name: str, kind: EntityType) -> str:
    lines = [f'      <EntityType Name="{name}Type">', "        <Key>"]
    lines += [f'          <PropertyRef Name="{key}"/>' for key in kind.key]
    lines.append("        </Key>")
    for prop, definition in kind.properties.items():
        nullable = "false" if prop in kind.key else "true"
        lines.append(
            f'        <Property Name="{prop}" Type="{definition.type}" Nullable="{nullable}" {definition.facets}/>'
        )
    for navigation in kind.navigations:
        relationship = quoteattr(f"{NAMESPACE}.assoc_{name}_{navigation}")
        lines.append(
            f'        <NavigationProperty Name="{navigation}" Relationship={relationship} '
            'FromRole="FromRole" ToRole="ToRole"/>'
        )
    lines.append("      </EntityType>")
    return "\n".join(lines)


def _association(name: str, entity_set: str, target: Navigation) -> str:
    shared = "".join(f'<PropertyRef Name="{prop}"/>' for prop in target.shared)
    return (
        f'      <Association Name="{name}">\n'
        f'        <End Type="{NAMESPACE}.{entity_set}Type" Multiplicity="1" Role="FromRole"/>\n'
        f'        <End Type="{NAMESPACE}.{target.entity_set}Type" Multiplicity="*" Role="ToRole"/>\n'
        "        <ReferentialConstraint>\n"
        f'          <Principal Role="FromRole">{shared}</Principal>\n'
        f'          <Dependent Role="ToRole">{shared}</Dependent>\n'
        "        </ReferentialConstraint>\n"
        "      </Association>"
    )
