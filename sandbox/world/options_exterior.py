"""Options outside the car: paint, wheels, roof, lights, glass, tow bars and exterior parts."""

# code | models (5: A5, 7: A7, 9: E9, 3: V3) | yuan | zh | en | zh description | en description | hardware
PAINT = """
K2G|5793|0|曜石灰|Obsidian Grey|金属漆，随光线呈现深浅层次。|Metallic paint that deepens as the light falls.
K1W|5793|0|云母白|Mica White|三层珠光，通透耐看。|Three-coat pearl, bright and calm.
K3B|579|0|深空黑|Deep Space Black|高亮清漆，沉稳内敛。|High-gloss clear coat over a quiet black.
K4R|573|6000|熔岩红|Lava Red|多层红色金属漆，日光下尤为饱满。|Layered red metallic, fullest in daylight.
K5U|5793|4000|海岸蓝|Coast Blue|取自清晨海面的蓝色。|The blue of the sea in the early morning.
K6N|579|4000|竹林绿|Bamboo Green|低饱和度绿色，含细微金属颗粒。|A muted green with fine metallic flakes.
K7S|579|3000|流光银|Flowing Silver|细腻银色，突出车身线条。|Fine silver that draws out the body lines.
K8Y|79|8000|晨曦金|Dawn Gold|暖调香槟金，旗舰专属色系。|A warm champagne from the flagship palette.
K9P|57|6000|暮山紫|Dusk Violet|灰调紫色，傍晚最为迷人。|A greyed violet at its best towards evening.
KM1|79|20000|哑光星尘灰|Matte Stardust|哑光漆面，需手工清洗。|Matte finish, to be washed by hand.
KM2|9|20000|哑光墨绿|Matte Ink Green|哑光深绿，限旗舰车型。|Matte dark green, for the flagship only.
KT1|93|12000|双色云白配黑顶|Two-tone White over Black|白色车身配黑色车顶。|White body with a black roof.
KT2|73|12000|双色熔岩配黑顶|Two-tone Lava over Black|红色车身配黑色车顶。|Red body with a black roof.
KV1|3|2000|薄荷绿|Mint|清新薄荷色，VELA 专属。|A fresh mint made for VELA.
KV2|3|2000|柠檬黄|Lemon|明亮柠檬黄，VELA 专属。|A bright lemon made for VELA.
KX9|57|9000|极光紫|Aurora Purple|变色漆，随角度由紫转蓝。|Colour-shift paint, purple to blue with the angle.
"""

WHEELS = """
W17|3|0|17 英寸轻量轮毂|17-inch light wheels|轻量化设计，兼顾续航。|Light and easy on range.
W17A|3|1500|17 英寸空力轮毂|17-inch aero wheels|低风阻盖板，续航最多增加 9 公里。|
  Low-drag covers add up to 9 km of range.
W18|53|0|18 英寸五辐轮毂|18-inch five-spoke|经典五辐，抗刮边缘。|A classic five-spoke with a scuff-proof edge.
W18A|5|2000|18 英寸空力轮毂|18-inch aero wheels|封闭式设计，降低风阻。|Closed design for less drag.
W19|57|4000|19 英寸双色轮毂|19-inch two-tone|精车亮面与黑色烤漆结合。|Turned bright faces on black lacquer.
W19A|7|3000|19 英寸空力轮毂|19-inch aero wheels|为 SUV 优化的低风阻造型。|Low-drag shape tuned for the SUV.
W20|579|8000|20 英寸涡轮轮毂|20-inch turbine|涡轮造型，搭配静音轮胎。|Turbine shape on quiet tyres.
W20S|57|12000|20 英寸运动轮毂|20-inch sport|半热熔轮胎，抓地力更强。|Semi-slick tyres for more grip.
W21|79|15000|21 英寸多辐轮毂|21-inch multi-spoke|多辐设计，气势舒展。|Many fine spokes, generous presence.
W21F|9|26000|21 英寸锻造轮毂|21-inch forged|锻造工艺，单只减重 3.2 千克。|Forged, 3.2 kg lighter per wheel.
W22|9|32000|22 英寸锻造轮毂|22-inch forged|旗舰专属，双色精车。|Flagship only, two-tone turned finish.
WWS|5793|6800|冬季轮胎套装|Winter tyre set|另配一套冬季轮胎与轮毂。|A second set of wheels with winter tyres.
"""

ROOF = """
R0S|5793|0|钢制车顶|Steel roof|与车身同色。|In body colour.
R1P|579|6000|全景天幕|Panoramic glass roof|双层隔热，隔绝 99% 紫外线。|Double insulated, blocks 99 % of UV.
R2E|79|12000|调光天幕|Dimmable glass roof|电致变色，五档透光。|Electrochromic with five levels.
R3O|73|7000|开启式天窗|Opening sunroof|电动开启，带防夹。|Powered, with pinch protection.
R4C|9|18000|星空顶|Starlight roof|416 颗光纤星点，可调明暗。|416 fibre-optic stars, dimmable.
R5R|7|3500|车顶行李架|Roof rails|铝合金材质，承重 75 千克。|Aluminium, carries 75 kg.
"""

LIGHTS = """
L1L|573|0|LED 大灯|LED headlamps|自动远近光。|With automatic high beam.
L2M|579|5000|矩阵大灯|Matrix headlamps|逐点遮蔽对向车辆。|Masks oncoming cars point by point.
L3P|79|12000|投影大灯|Projection headlamps|可在路面投射导航指引。|Projects guidance onto the road.
L4R|5793|1800|贯穿式尾灯|Full-width rear light|迎宾动态灯语。|With a welcome animation.
L5F|57|1200|前雾灯|Front fog lamps|雨雾天气更安心。|Calmer in rain and fog.
"""

GLASS = """
G0S|573|0|标准玻璃|Standard glass|前风挡隔音。|With an acoustic windscreen.
G1A|5793|3000|双层隔音玻璃|Acoustic glass|前后排双层隔音。|Laminated front and rear.
G2P|5793|1500|隐私玻璃|Privacy glass|后排深色玻璃。|Darkened rear windows.
G3H|79|2500|加热前风挡|Heated windscreen|30 秒除霜。|Clears frost in 30 seconds.
"""

TOW = """
T1M|57|4500|机械拖车钩|Fixed tow bar|最大牵引 1000 千克。|Tows up to 1,000 kg.
T2E|7|9500|电动拖车钩|Electric tow bar|一键展开，最大牵引 1600 千克。|Unfolds at a touch, tows up to 1,600 kg.
T3B|57|2200|自行车架接口|Bicycle carrier mount|可承载两辆自行车。|Carries two bicycles.
"""

EXTERIOR = """
E1B|579|6000|黑化套件|Black package parts|镀铬件改为高亮黑。|Bright parts in gloss black.
E2C|579|18000|碳纤维套件|Carbon parts|前唇、侧裙与后扩散器。|Front lip, sills and rear diffuser.
E3S|57|5500|运动尾翼|Sport spoiler|120 公里时速以上自动升起。|Rises above 120 km/h.
E4M|5793|1200|迎宾踏板灯|Puddle lamps|车门开启时投射标志。|Project the mark when a door opens.
E5H|79|3800|电吸门|Soft-close doors|轻合即可吸附锁闭。|Pull themselves shut.
E6P|5793|4800|隐形车衣|Paint protection film|出厂覆膜，五年质保。|Fitted at the plant, five-year warranty.
E7F|79|2600|感应尾门|Hands-free tailgate|脚踢开启，高度可记忆。|Opens with a kick, remembers its height.|H-TAILGATE
E8U|793|900|底盘护板|Underbody guard|铝合金材质。|In aluminium.
"""
