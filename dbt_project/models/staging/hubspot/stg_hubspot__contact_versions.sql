with

contacts as (
    select * from {{ source('raw_hubspot', 'contacts') }}
    where not coalesce(_is_deleted, false)
),

final as (
    select
        _load_id || ':' || _row as version_id,
        id as contact_id,
        lower({{ cleaned_text('email') }}) as email,
        lower({{ cleaned_text('hs_additional_emails') }}) as additional_emails,
        coalesce({{ parse_flag('hs_email_optout') }}, false) as has_objected_to_email,
        {{ parse_timestamp('lastmodifieddate') }} as updated_at,
        _pulled_at as pulled_at,
        _load_id as load_id,
        _row as file_row
    from contacts
)

select * from final
