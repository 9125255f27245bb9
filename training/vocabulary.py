"""What fills the slots of the templates, apart from names: kin, symptoms, drugs, jobs, values."""

from __future__ import annotations

KIN = (
    "mother father mom dad wife husband daughter son sister brother aunt uncle niece nephew cousin "
    "grandmother grandfather granddaughter grandson partner fiancé fiancée stepmother stepfather "
    "mother-in-law father-in-law girlfriend boyfriend neighbor friend roommate caregiver guardian"
).split()

TITLES = ("Mr.", "Mrs.", "Ms.", "Mr", "Mrs", "Ms", "Miss", "Dr.", "Dr", "Prof.", "Rev.")

SYMPTOMS = (
    "chest pain;shortness of breath;headache;abdominal pain;nausea and vomiting;fever;chills;cough;"
    "sore throat;back pain;dizziness;fatigue;weakness;palpitations;syncope;rash;leg swelling;"
    "blurred vision;numbness of the left hand;urinary frequency;constipation;diarrhea;weight loss;"
    "night sweats;ear pain;knee pain;shoulder pain;difficulty swallowing;wheezing;anxiety;insomnia;"
    "confusion;fall from standing;vaginal bleeding;flank pain;tingling in both feet;seizure;"
    "right wrist injury;nosebleed;toothache;low mood;suicidal ideation;hematuria;jaundice"
).split(";")

CONDITIONS = (
    "hypertension;type 2 diabetes;asthma;COPD;atrial fibrillation;coronary artery disease;"
    "congestive heart failure;chronic kidney disease stage 3;hypothyroidism;depression;GERD;"
    "osteoarthritis;rheumatoid arthritis;pneumonia;UTI;cellulitis;breast cancer;prostate cancer;"
    "colon cancer;stroke;TIA;migraine;epilepsy;anemia;cirrhosis;hepatitis C;HIV;sepsis;"
    "appendicitis;cholelithiasis;pancreatitis;deep vein thrombosis;pulmonary embolism;"
    "Parkinson disease;Parkinson's disease;Alzheimer's dementia;Crohn's disease;Hodgkin lymphoma;"
    "Graves' disease;Hashimoto thyroiditis;Bell's palsy;Raynaud phenomenon;Sjogren syndrome;"
    "Barrett's esophagus;Guillain-Barre syndrome;Down syndrome;Marfan syndrome;Addison disease;"
    "Cushing syndrome;Tourette syndrome;Kawasaki disease;Lyme disease;Meniere's disease;"
    "Huntington disease;Wilson disease;Paget disease;Colles fracture;Baker cyst;hip fracture;"
    "lumbar stenosis;gout;psoriasis;eczema;obesity;obstructive sleep apnea;glaucoma;cataract"
).split(";")

EPONYMS = (
    "Parkinson Alzheimer Hodgkin Crohn Graves Hashimoto Addison Cushing Bell Raynaud Sjogren Barrett "
    "Marfan Down Turner Klinefelter Wilson Huntington Tourette Paget Dupuytren Charcot Foley Murphy "
    "Babinski Romberg Hoffmann McBurney Rovsing Kernig Brudzinski Homans Tinel Phalen Lachman "
    "McMurray Apgar Glasgow Gleason Virchow Bowen Kaposi Wernicke Korsakoff Mallory-Weiss Zenker "
    "Meckel Hirschsprung Kawasaki Lyme Still Behcet Ewing Wilms Burkitt Whipple Nissen Hartmann "
    "Epley Dix-Hallpike Valsalva Trendelenburg Kussmaul Cheyne-Stokes Osler Janeway Roth Heberden "
    "Bouchard Baker Colles Smith Jones Salter-Harris Weber Schatzki Ranson Wells Child-Pugh Hickman"
).split()
"""Names that are not people when a disease, sign, test or device follows."""

DRUGS = (
    "lisinopril metformin atorvastatin amlodipine metoprolol omeprazole losartan albuterol "
    "gabapentin hydrochlorothiazide sertraline simvastatin furosemide levothyroxine prednisone "
    "tramadol trazodone warfarin clopidogrel citalopram insulin acetaminophen ibuprofen morphine "
    "fentanyl oxycodone hydromorphone ceftriaxone vancomycin amoxicillin azithromycin doxycycline "
    "ciprofloxacin heparin enoxaparin apixaban rivaroxaban digoxin diltiazem carvedilol spironolactone "
    "Lipitor Norvasc Zestril Glucophage Lasix Synthroid Coumadin Plavix Zoloft Prozac Xanax Ativan "
    "Ambien Tylenol Motrin Advil Percocet Vicodin Norco Dilaudid Keppra Depakote Seroquel Risperdal "
    "Humalog Lantus Novolog Ventolin Advair Spiriva Nexium Protonix Pepcid Zofran Reglan Benadryl "
    "Eliquis Xarelto Pradaxa Entresto Jardiance Ozempic Trulicity Humira Enbrel Remicade Keytruda"
).split()
DOSES = "5 mg;10 mg;20 mg;40 mg;81 mg;500 mg;1 g;25 mcg;100 units;2 puffs;0.5 mL;650mg;1000 mg;2 L".split(
    ";"
)
LABS = "4.2 11.9 0.9 1.4 98.6 37.2 7.35 138 12.1 5.6 2.3 101.2 36.8 0.02 250 6.8 3.5".split()
FACILITIES = (
    "{last} House;{last} Manor;{city} Care Center;{plant} Grove Nursing Home;{plant}view Assisted Living;"
    "{city} Rehabilitation Center;St. {saint} Skilled Nursing;{plant} Hills Hospice;{city} Dialysis;"
    "{last} Memorial Home;{plant} Ridge Senior Living;{city} Shelter"
).split(";")
HOSPITALS = (
    "{city} General Hospital;{city} Medical Center;St. {saint}'s Hospital;{last} Memorial Hospital;"
    "{city} Community Hospital;{city} Regional Medical Center;Mercy {city};{last} Clinic;"
    "{city} Children's Hospital;University of {state} Medical Center;{plant} Valley Health Center;"
    "{city} VA;{last}-{last} Cancer Institute;Sacred Heart {city};{city} Urgent Care;"
    "{state} Heart Institute;{last} Family Practice;{city} Eye Associates;Kaiser {city}"
).split(";")
SCHOOLS = (
    "{city} High School;{last} Elementary;{city} University;University of {city};{last} College;"
    "{state} State University;{city} Institute of Technology;{last} Middle School;"
    "St. {saint} Academy;{plant} Hill School;University of {state};{last} Business School"
).split(";")
PAYERS = (
    "Aetna;Cigna;Humana;Blue Cross;Blue Shield;Anthem;UnitedHealthcare;Kaiser Permanente;"
    "Molina Healthcare;Health Net;{city} Health Plan;{state} Care"
).split(";")
SAINTS = (
    "Mary John Joseph Luke Francis Anne Michael Vincent Jude Elizabeth Agnes Anthony Rose".split()
)
PLANTS = (
    "Oak Maple Cedar Pine Elm Willow Birch Magnolia Juniper Laurel Sycamore Chestnut Walnut Poplar "
    "Cherry Aspen Redwood Spruce Sunset Meadow River Lake Hill Park Forest Valley Spring Mill Church"
).split()
STREETS = (
    "Street Avenue Road Drive Lane Court Boulevard Place Way Circle Terrace Trail Parkway Highway "
    "St Ave Rd Dr Ln Ct Blvd Pl Hwy Pkwy St. Ave. Rd. Dr. Ln. Blvd. Alley Square Crescent Close "
    "Grove Row Walk Loop Plaza Bypass Mews Gardens Green Crossing Point Ridge Run Turnpike Pike"
).split()
FAMOUS_ORGS = (
    "Google Microsoft Apple Amazon Facebook Walmart Costco Target IBM Intel Oracle Cisco Samsung Sony "
    "Toyota Honda Ford Boeing Airbus Siemens Bosch Nestlé Unilever Pfizer Novartis Merck Moderna "
    "Netflix Spotify Uber Lyft Airbnb Twitter LinkedIn Starbucks McDonald's Pepsi Coca-Cola Nike "
    "Adidas Ikea Zara FedEx UPS DHL Visa Mastercard PayPal Citigroup Barclays HSBC Santander Reuters "
    "CNN BBC NASA FBI CIA NATO UNESCO UNICEF WHO CDC FDA EPA IRS NBA NFL FIFA Harvard Yale Stanford "
    "Oxford Cambridge Princeton Lufthansa Ryanair Delta Verizon Vodafone Nokia Ericsson Exxon Chevron "
    "Philips Volvo Renault Deloitte Accenture Salesforce Adobe Dell Lenovo Nvidia"
).split()
ORG_TAILS = (
    "Inc.;Inc;LLC;Ltd;Ltd.;Corp.;Corporation;Company;Co.;Group;GmbH;AG;S.A.;PLC;plc;Holdings;Partners;"
    "& Co;& Sons;and Sons;& Associates;Associates;Industries;Technologies;Systems;Solutions;Labs;Bank;"
    "Insurance;Foundation;Media;Studios;Entertainment;Airlines;Motors;Energy;Foods;Consulting;"
    "Logistics;Ventures;Capital;Financial;Records;Magazine;Times;Post;Weekly;Herald;Journal;Review"
).split(";")
ORG_STEMS = (
    "Data Cloud Blue Green Bright Smart First Global National United Pacific Atlantic American Golden "
    "Silver Star Sun Moon Sky Ocean Mountain North South East West Central Prime Apex Summit Pioneer "
    "Heritage Liberty Digital Micro Nano Bio Geo Eco Tele Trans Inter Omni Info Net Web Soft Tech Core "
    "Link Nest Hub Spark Flow Stream Wave Path Point Bridge Gate House Works Craft Logic Metrics Genius "
    "Open Social Health Care Life Vital Med Pharma Gene Cyber Quantum Urban Rural Happy Red Black"
).split()
ORG_HEADS = (
    "Bank of {city};University of {city};City of {city};{city} Police Department;{city} Fire Department;"
    "Department of {word};Ministry of {word};Institute of {word};Association of {word} {word};"
    "National {word} Association;The {word} Foundation;{city} Times;The {city} Post;Radio {city};"
    "{city} United;{city} City Council;{nrp} Red Cross;{nrp} Airlines;{country} National Bank;"
    "{word} and {word};{word} & {word};Church of {word};The {word} Company;"
    "Council on {word};Center for {word} {word};{word} Federation;{nrp} {word} League;{word} Weekly"
).split(";")
ORG_WORDS = (
    "Health Science Technology Research Education Defense Justice Labor Commerce Trade Environment "
    "Energy Housing Transport Finance Art History Music Design Standards Statistics Agriculture Fishing "
    "Mining Water Capital Market Equity Rights Freedom Progress Policy Planning Analytics Insight "
    "Entertainment Retail Supply Sun"
).split()
QUOTES = (
    "I don't feel well today;It hurts when I breathe;Leave me alone;We should go now;Are you coming;"
    "I can't remember;Nothing helps;Never mind;That is not true;Let's wait until tomorrow;"
    "Where are my keys;It started after lunch;Please sit down;What happened to you;I feel dizzy;"
    "You are late again;I want to go home;My head is killing me;Everything is fine;Who told you that"
).split(";")
SUBJECTS = (
    "Your appointment;Invoice attached;Meeting notes;Re: lunch;Lab results;Change of address;"
    "Welcome aboard;Password reset;Travel plans;Question about my bill"
).split(";")
EXTRA_JOBS = (
    "nurse teacher plumber carpenter lawyer accountant soldier farmer driver waiter cook cashier clerk "
    "mechanic electrician engineer programmer pilot librarian journalist architect musician fisherman "
    "truck-driver firefighter janitor baker butcher tailor painter roofer welder secretary manager"
).split()
