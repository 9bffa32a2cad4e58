with

hubspot as (
    select
        contacts.*,
        associations.company_id as associated_company_id,
        owners.owner_name
    from {{ ref('stg_hubspot__contacts') }} as contacts
    left join {{ ref('int_hubspot_associations_pivoted') }} as associations
        on contacts.contact_id = associations.record_id and associations.record_type = 'contacts'
    left join {{ ref('stg_hubspot__owners') }} as owners on contacts.owner_id = owners.owner_id
),

pipedrive_channels as (
    select
        person_id,
        lower(
            coalesce(
                min(value) filter (where channel = 'email' and is_primary),
                min(value) filter (where channel = 'email')
            )
        ) as email,
        coalesce(
            min(value) filter (where channel = 'phone' and not is_mobile and is_primary),
            min(value) filter (where channel = 'phone' and not is_mobile)
        ) as phone,
        min(value) filter (where channel = 'phone' and is_mobile) as mobile
    from {{ ref('int_pipedrive_channels_exploded') }}
    group by person_id
),

pipedrive as (
    select
        persons.*,
        pipedrive_channels.email,
        pipedrive_channels.phone,
        pipedrive_channels.mobile,
        users.user_name
    from {{ ref('stg_pipedrive__persons') }} as persons
    left join pipedrive_channels on persons.person_id = pipedrive_channels.person_id
    left join {{ ref('stg_pipedrive__users') }} as users on persons.owner_id = users.user_id
),

lexware_office as (
    select * from {{ ref('stg_lexware_office__contacts') }}
    where not is_company
),

lexware_office_persons as (
    select * from {{ ref('int_lexware_office_persons_exploded') }}
),

-- A natural person has its own name as the account's; one account of several clients counts once.
datev as (
    select *
    from {{ ref('stg_datev__debtors') }}
    where customer_name = {{ cleaned_text("concat_ws(' ', first_name, last_name)") }}
    qualify row_number() over (partition by account order by load_id desc, customer_number asc) = 1
),

mailchimp as (
    select * from {{ ref('stg_mailchimp__members') }}
),

rapidmail as (
    select * from {{ ref('stg_rapidmail__recipients') }}
),

product_registrations as (
    select * from {{ ref('stg_product_registrations__registrations') }}
),

final as (
    select
        'hubspot' as source,
        contact_id as record_id,
        coalesce(company_id, associated_company_id) as organisation_record_id,
        null as customer_number,
        company_name as organisation_name,
        salutation,
        first_name,
        last_name,
        {{ cleaned_text("concat_ws(' ', first_name, last_name)") }} as full_name,
        email,
        phone,
        mobile,
        role,
        birthday_on as written_birthday_on,
        language as written_language,
        null as street,
        null as postcode,
        null as city,
        null as written_country,
        owner_name as owner,
        created_at,
        updated_at
    from hubspot
    union all
    select
        'pipedrive' as source,
        person_id as record_id,
        organization_id as organisation_record_id,
        null as customer_number,
        null as organisation_name,
        null as salutation,
        first_name,
        last_name,
        full_name,
        email,
        phone,
        mobile,
        role,
        birthday_on as written_birthday_on,
        null as written_language,
        null as street,
        null as postcode,
        null as city,
        null as written_country,
        user_name as owner,
        created_at,
        updated_at
    from pipedrive
    union all
    select
        'lexware_office' as source,
        contact_id as record_id,
        null as organisation_record_id,
        customer_number,
        null as organisation_name,
        salutation,
        first_name,
        last_name,
        customer_name as full_name,
        email,
        phone,
        mobile,
        null as role,
        null as written_birthday_on,
        null as written_language,
        street,
        postcode,
        city,
        country as written_country,
        null as owner,
        null as created_at,
        null as updated_at
    from lexware_office
    union all
    select
        'lexware_office' as source,
        person_id as record_id,
        contact_id as organisation_record_id,
        null as customer_number,
        null as organisation_name,
        salutation,
        first_name,
        last_name,
        {{ cleaned_text("concat_ws(' ', first_name, last_name)") }} as full_name,
        email,
        phone,
        null as mobile,
        null as role,
        null as written_birthday_on,
        null as written_language,
        null as street,
        null as postcode,
        null as city,
        null as written_country,
        null as owner,
        null as created_at,
        null as updated_at
    from lexware_office_persons
    union all
    select
        'datev' as source,
        account as record_id,
        null as organisation_record_id,
        customer_number,
        null as organisation_name,
        null as salutation,
        first_name,
        last_name,
        customer_name as full_name,
        email,
        phone,
        null as mobile,
        null as role,
        null as written_birthday_on,
        null as written_language,
        street,
        postcode,
        city,
        country as written_country,
        null as owner,
        null as created_at,
        null as updated_at
    from datev
    union all
    select
        'mailchimp' as source,
        membership_id as record_id,
        null as organisation_record_id,
        null as customer_number,
        company_name as organisation_name,
        null as salutation,
        first_name,
        last_name,
        coalesce(
            full_name, {{ cleaned_text("concat_ws(' ', first_name, last_name)") }}
        ) as full_name,
        email,
        null as phone,
        null as mobile,
        null as role,
        null as written_birthday_on,
        language as written_language,
        null as street,
        null as postcode,
        null as city,
        null as written_country,
        null as owner,
        signed_up_at as created_at,
        changed_at as updated_at
    from mailchimp
    union all
    select
        'rapidmail' as source,
        email as record_id,
        null as organisation_record_id,
        customer_number,
        company_name as organisation_name,
        salutation,
        first_name,
        last_name,
        {{ cleaned_text("concat_ws(' ', first_name, last_name)") }} as full_name,
        email,
        null as phone,
        null as mobile,
        null as role,
        birthday_on as written_birthday_on,
        language as written_language,
        null as street,
        postcode,
        null as city,
        null as written_country,
        null as owner,
        signed_up_at as created_at,
        changed_at as updated_at
    from rapidmail
    union all
    select
        'product_registrations' as source,
        registration_id as record_id,
        null as organisation_record_id,
        customer_number,
        company_name as organisation_name,
        null as salutation,
        first_name,
        last_name,
        {{ cleaned_text("concat_ws(' ', first_name, last_name)") }} as full_name,
        email,
        null as phone,
        null as mobile,
        null as role,
        null as written_birthday_on,
        null as written_language,
        null as street,
        null as postcode,
        null as city,
        null as written_country,
        null as owner,
        registered_at as created_at,
        registered_at as updated_at
    from product_registrations
)

select * from final
